//! How a lock ends, and goes on elsewhere.

use redlocks::{Error, Lease, LossReason, ReleaseOutcome, Renewal, Retry};

use crate::client::{Client, Guard, Held, LONG, Lock, MS, Nodes};

pub(crate) async fn a_drop_releases<C: Client>(nodes: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(LONG);
    drop(lock.acquire().await.unwrap());
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 0);
    assert!(lock.try_acquire().await.is_ok());
}

pub(crate) async fn a_body_runs_with_the_lock_and_without_it_afterwards<C: Client>(
    nodes: &Nodes,
    client: &C,
) {
    let lock = client.lock("r").ttl(LONG);
    let (first, second) = (lock.run(MS).await.unwrap(), lock.run(MS).await.unwrap());
    assert_ne!(first, second, "each time with a token of its own");
    assert!(nodes.all().all(|node| node.calls().acquire == 2));
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 0);
}

pub(crate) async fn a_body_that_outlasts_its_lock_is_told<C: Client>(_: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(200 * MS).renewal(Renewal::off());
    let error = lock.run(300 * MS).await.unwrap_err();
    assert!(matches!(error, Error::Lost { reason: LossReason::Expired, .. }), "{error}");
    // Nothing of it is in the way of the next one.
    assert!(lock.acquire_within(LONG).await.unwrap().release().await.is_released());
}

pub(crate) async fn a_body_never_runs_without_the_lock<C: Client>(_: &Nodes, client: &C) {
    let guard = client.lock("r").ttl(LONG).acquire().await.unwrap();
    let lock = client.lock("r").retry(Retry::fixed(MS).attempts(2).unwrap());
    // It would take so long.
    let error = lock.run(10 * LONG).await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    guard.release().await;
}

pub(crate) async fn a_lease_is_handed_on<C: Client>(nodes: &Nodes, client: &C) {
    let guard = client.lock("r").ttl(LONG).acquire().await.unwrap();
    let lease = guard.into_lease();
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 3, "giving it away releases nothing");

    // Across a process border only resource, token and ttl are known.
    let arrived = Lease::new(lease.resource().clone(), lease.token().clone(), lease.ttl());
    let extended = client.extend(&arrived, 2 * LONG).await.unwrap();
    assert_eq!(extended.ttl().get(), 2 * LONG);
    let guard = client.adopt(&extended).await.unwrap();
    assert!(guard.is_valid() && guard.remaining() > LONG);
    let lease = guard.into_lease();
    assert!(client.release(&lease).await.is_released());
    assert_eq!(nodes.count_keys("r"), 0);
    let error = client.adopt(&arrived).await.err().unwrap();
    assert!(matches!(error, Error::Lost { reason: LossReason::QuorumLost, .. }), "{error}");
}

pub(crate) async fn releasing_what_has_expired_says_so<C: Client>(nodes: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(200 * MS).renewal(Renewal::off());
    let guard = lock.acquire().await.unwrap();
    client.sleep(300 * MS).await;
    assert_eq!(guard.release().await.outcome(), ReleaseOutcome::Expired);

    let guard = lock.acquire_within(LONG).await.unwrap();
    client.sleep(300 * MS).await;
    let next = client.lock("r").ttl(LONG).acquire_within(LONG).await.unwrap();
    assert_eq!(guard.release().await.outcome(), ReleaseOutcome::TakenByAnother);
    assert_eq!(nodes.count_keys("r"), 3, "what is another's is not touched");
    assert!(next.release().await.is_released());
}
