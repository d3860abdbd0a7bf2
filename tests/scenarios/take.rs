//! Acquiring, and being refused.

use redlocks::{ConfigError, Error, Renewal, Retry, Token};

use crate::client::{Client, Guard, Held, LONG, Lock, MS, Nodes, SECOND};

pub(crate) async fn one_at_a_time<C: Client>(nodes: &Nodes, client: &C) {
    let lock = client.lock("r");
    let guard = lock.acquire().await.unwrap();
    assert!(guard.is_valid());
    assert!(guard.remaining() <= 2 * SECOND);
    assert_eq!((guard.margin(), nodes.count_keys("r")), (1, 3));
    // Neither the same lock nor another one of the same resource; but that of another resource.
    for lock in [lock.clone(), client.lock("r")] {
        let error = lock.try_acquire().await.err().unwrap();
        assert!(matches!(error, Error::Contended(_)), "{error}");
    }
    let other = client.lock("other").try_acquire().await.unwrap();
    assert_ne!(other.lease().token(), guard.lease().token());
    assert!(guard.release().await.is_released());
    assert!(other.release().await.is_released());
    assert_eq!(nodes.count_keys("r"), 0);
}

pub(crate) async fn a_second_try_after_the_release<C: Client>(_: &Nodes, client: &C) {
    let retry = Retry::fixed(5 * MS).unlimited();
    let lock = client.lock("r").ttl(LONG).retry(retry);
    let guard = lock.acquire().await.unwrap();
    client.release_later(guard, 50 * MS);
    let guard = lock.acquire().await.unwrap();
    assert!(guard.is_valid());
    guard.release().await;
}

pub(crate) async fn patience_that_ends_and_patience_that_is_rewarded<C: Client>(
    _: &Nodes,
    client: &C,
) {
    let lock = client.lock("r").ttl(LONG);
    let guard = lock.acquire().await.unwrap();
    for error in [
        lock.acquire_within(50 * MS).await.err().unwrap(),
        lock.clone().wait(50 * MS).acquire().await.err().unwrap(),
    ] {
        let Error::TimedOut { patience, last, .. } = &error else { panic!("{error}") };
        assert_eq!(*patience, 50 * MS);
        assert!(matches!(**last, Error::Contended(_)), "{error}");
    }
    client.release_later(guard, 50 * MS);
    assert!(lock.acquire_within(LONG).await.unwrap().release().await.is_released());
}

pub(crate) async fn every_failure_has_its_own_error<C: Client>(nodes: &Nodes, client: &C) {
    let retry = Retry::fixed(MS).attempts(2).unwrap();
    let lock = client.lock("r").retry(retry);
    let guard = lock.acquire().await.unwrap();
    let error = lock.acquire().await.err().unwrap();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    assert_eq!(error.report().unwrap().nodes().len(), 3);
    nodes.node(0).crash();
    nodes.node(1).crash();
    let error = client.lock("other").retry(retry).acquire().await.err().unwrap();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("a unreachable"), "{error}");
    nodes.node(0).restart();
    nodes.node(1).restart();
    guard.release().await;
}

pub(crate) async fn settings_that_cannot_be_are_told_before_a_node_is_asked<C: Client>(
    nodes: &Nodes,
    client: &C,
) {
    let lock = client.lock("r");
    for lock in [
        client.lock(""),
        lock.clone().ttl(std::time::Duration::ZERO),
        lock.clone().renewal(Renewal::every(2 * SECOND)),
        lock.clone().max_hold(SECOND),
        lock.clone().hold_at_least(3 * SECOND),
    ] {
        for error in [
            lock.try_acquire().await.err().unwrap(),
            lock.acquire().await.err().unwrap(),
            lock.acquire_within(SECOND).await.err().unwrap(),
            lock.run(MS).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Config(_)), "{error}");
        }
    }
    let error = client.lock("").try_acquire().await.err().unwrap();
    assert!(matches!(error, Error::Config(ConfigError::EmptyResource)), "{error}");
    assert_eq!(nodes.count_calls(), 0);
}

pub(crate) async fn a_token_of_ones_own<C: Client>(_: &Nodes, client: &C) {
    let token = Token::from_bytes(*b"0123456789abcdef-order-42").unwrap();
    let lock = client.lock("r").ttl(LONG);
    let guard = lock.try_acquire_as(token.clone()).await.unwrap();
    assert_eq!(guard.lease().token(), &token);
    let other = Token::from_bytes(*b"0123456789abcdef-order-43").unwrap();
    let error = lock.try_acquire_as(other).await.err().unwrap();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    assert!(guard.release().await.is_released());
}
