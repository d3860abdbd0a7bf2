//! What locks are called on nodes: owners in their tokens, tokens of the user, prefixes of keys.

use futures::{FutureExt, StreamExt};
use redlocks::{ConfigError, Error, LockNode, Resource, Standing, Token};

use crate::support::{MS, Nodes, SECOND};

#[tokio::test(start_paused = true)]
async fn an_owner_can_be_seen_and_the_token_is_as_random_as_ever() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).owner("host/1/backup");
    let redlock = builder.build().unwrap();
    let first = redlock.lock("a").acquire().await.unwrap();
    let second = redlock.lock("b").owner("me@host").acquire().await.unwrap();
    assert_eq!(first.owner(), Some("host/1/backup"));
    assert_eq!(second.owner(), Some("me@host"));
    assert_ne!(first.token().as_bytes()[..40], second.token().as_bytes()[..40]);

    // Somebody else sees it.
    let status = nodes.redlock().inspect("a").await.unwrap();
    assert_eq!(status.owner(), Some("host/1/backup"));
    assert!(status.to_string().starts_with("\"a\" is held by host/1/backup for "), "{status}");
    assert_eq!(nodes.redlock().lock("c").acquire().await.unwrap().owner(), None);
    let reset = redlock.reset("a").await.unwrap();
    assert!(reset.to_string().contains("a (of host/1/backup)"), "{reset}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_cannot_be_one_is_told_before_a_node_is_asked() {
    let nodes = Nodes::new(1);
    let error = nodes.builder().owner("a b").build().unwrap_err();
    assert_eq!(error, ConfigError::OwnerCharacter { character: ' ' });
    let error = nodes.redlock().lock("r").owner("x".repeat(129)).try_acquire().await.unwrap_err();
    let expected = ConfigError::OwnerLength { given: 129, most: 128 };
    assert!(matches!(error, Error::Config(error) if error == expected));
    assert_eq!(nodes.memory(0).calls().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_user_sets_a_token_for_one_attempt() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let token = Token::from_bytes(*b"job 4711\xff").unwrap();
    let guard = redlock.lock("r").owner("unused").try_acquire_as(token.clone()).await.unwrap();
    assert_eq!((guard.token(), guard.owner()), (&token, None));
    assert_eq!(nodes.tokens("r"), vec![Some(token.clone()); 3]);

    let another = Token::from_bytes(*b"job 4712").unwrap();
    // One attempt and no more, with whatever patience.
    let lock = redlock.lock("r").wait(60 * SECOND);
    let error = lock.try_acquire_as(another.clone()).now_or_never().unwrap().unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error:?}");
    guard.release().await;
    assert_eq!(lock.try_acquire_as(another).await.unwrap().token().as_bytes(), b"job 4712");
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_seen_by_nodes_and_nobody_else() {
    let nodes = Nodes::new(3);
    let app = nodes.builder().ttl(SECOND).node_timeout(50 * MS).key_prefix("app:");
    let app = app.fencing(true).build().unwrap();
    let plain = nodes.redlock();

    let guard = app.lock("r").acquire().await.unwrap();
    assert_eq!(guard.resource().as_str(), "r");
    assert_eq!(nodes.tokens("app:r"), vec![Some(guard.token().clone()); 3]);
    assert!(nodes.memory(0).counter(&Resource::new("app:r").unwrap()).is_some());
    let beside = plain.lock("r").acquire().await.unwrap();

    // With and without, it is the same lock.
    let error = plain.lock("app:r").try_acquire().await.unwrap_err();
    assert!(error.to_string().starts_with("could not acquire \"app:r\": "), "{error}");
    let error = app.lock("r").try_acquire().await.unwrap_err();
    assert!(error.to_string().starts_with("could not acquire \"r\": "), "{error}");

    let status = app.inspect("r").await.unwrap();
    assert!(matches!(status.standing(), Standing::Held { token, .. } if token == guard.token()));
    let listed: Vec<_> = app.list("").unwrap().collect().await;
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|found| found.as_ref().unwrap().resource().as_str() == "r"));

    // Waiters hear of it, under the name that they know.
    let waiting = {
        let app = app.clone();
        tokio::spawn(async move { app.lock("r").wait(60 * SECOND).acquire().await })
    };
    tokio::time::sleep(10 * MS).await;
    let begin = tokio::time::Instant::now();
    let removed: Vec<_> = app.reset_all("").unwrap().collect().await;
    assert_eq!(removed.iter().filter(|one| one.is_ok()).count(), 3);
    let next = waiting.await.unwrap().unwrap();
    assert!(begin.elapsed() < SECOND, "{:?}", begin.elapsed());
    assert!(next.fencing_token() > guard.fencing_token());
    assert!(next.release().await.is_released());
    assert!(beside.is_valid(), "another lock has nothing to do with it");
    assert_eq!(nodes.count_keys(), 3);

    let error = nodes.builder().key_prefix("app{").build().unwrap_err();
    assert_eq!(error, ConfigError::KeyPrefix { given: "app{".to_owned() });
    assert!(nodes.memory(0).survey().is_some());
}
