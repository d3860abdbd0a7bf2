//! What becomes of a lock while it is held.

use redlocks::{Error, LossReason, ReleaseOutcome, Renewal};

use crate::client::{Client, Guard, Held, LONG, Lock, MS, Nodes, SECOND, until_gone};

pub(crate) async fn an_extension_prolongs_and_never_shortens<C: Client>(nodes: &Nodes, client: &C) {
    let mut guard = client.lock("r").renewal(Renewal::off()).acquire().await.unwrap();
    guard.extend(LONG).await.unwrap();
    assert!(guard.remaining() > 2 * SECOND);
    let (held, remaining) = guard.signal();
    assert!(held && remaining > 2 * SECOND && remaining <= LONG);
    guard.extend(SECOND).await.unwrap();
    assert!(guard.remaining() > 2 * SECOND);
    assert!(nodes.all().all(|node| node.keys()[0].remaining > 2 * SECOND));
    assert!(matches!(guard.extend(SECOND / 1_000_000).await, Err(Error::Config(_))));
    guard.release().await;
}

pub(crate) async fn renewal_keeps_the_lock_beyond_its_ttl<C: Client>(nodes: &Nodes, client: &C) {
    let guard = client.lock("r").renewal(Renewal::every(200 * MS)).acquire().await.unwrap();
    // Nothing here looks after the lock meanwhile.
    client.sleep(2500 * MS).await;
    guard.check().unwrap();
    assert_eq!(nodes.count_keys("r"), 3);
    assert!(guard.release().await.is_released());
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 0);
}

pub(crate) async fn a_loss_is_told_with_its_reason<C: Client>(nodes: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(LONG).renewal(Renewal::every(20 * MS));
    let guard = lock.acquire().await.unwrap();
    assert_eq!((guard.reason(), guard.lost(MS).await), (None, None));
    guard.check().unwrap();
    nodes.lose_the_majority();
    assert_eq!(guard.signalled(LONG).await, Some(LossReason::QuorumLost));
    assert_eq!(guard.lost(LONG).await, Some(LossReason::QuorumLost));
    assert_eq!(guard.reason(), Some(LossReason::QuorumLost));
    assert!(!guard.is_valid());
    let error = guard.check().unwrap_err();
    assert!(matches!(error, Error::Lost { reason: LossReason::QuorumLost, .. }), "{error}");
    until_gone(nodes, client, "r").await;
}

pub(crate) async fn without_renewal_the_lock_ends_by_itself<C: Client>(nodes: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(200 * MS).renewal(Renewal::off());
    let mut guard = lock.acquire().await.unwrap();
    assert_eq!(guard.lost(LONG).await, Some(LossReason::Expired));
    assert!(guard.remaining().is_zero());
    assert_eq!(guard.signal(), (false, std::time::Duration::ZERO));
    let calls = nodes.node(0).calls().extend;
    assert!(matches!(guard.extend(SECOND).await, Err(Error::Lost { .. })));
    assert_eq!(nodes.node(0).calls().extend, calls, "an expired lock is not extended");
    // Somebody else has it, and whoever lost it takes nothing away from him.
    let next = client.lock("r").acquire_within(LONG).await.unwrap();
    drop(guard);
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 3);
    assert!(next.release().await.is_released());
}

pub(crate) async fn a_longest_hold_ends_it_in_spite_of_renewal<C: Client>(_: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(SECOND).renewal(Renewal::every(100 * MS));
    let guard = lock.max_hold(1500 * MS).acquire().await.unwrap();
    assert_eq!(guard.lost(LONG).await, Some(LossReason::HeldTooLong));
}

pub(crate) async fn a_shortest_hold_outlasts_the_release<C: Client>(nodes: &Nodes, client: &C) {
    let guard = client.lock("r").hold_at_least(500 * MS).acquire().await.unwrap();
    assert_eq!(guard.release().await.outcome(), ReleaseOutcome::Kept);
    assert_eq!(nodes.count_keys("r"), 3);
    let error = client.lock("r").try_acquire().await.err().unwrap();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 0);
}
