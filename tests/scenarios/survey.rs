//! Looking at locks and taking them away, as an operator does.

use redlocks::{ConfigError, Error, Listed, LossReason, Standing};

use crate::client::{Client, Guard, Held, LONG, Lock, Nested, Nodes, Owner};

pub(crate) async fn who_has_a_lock_is_seen<C: Client>(_: &Nodes, client: &C) {
    assert_eq!(*client.inspect("r").await.unwrap().standing(), Standing::Free);
    assert!(!client.is_locked("r").await.unwrap());
    let guard = client.lock("r").ttl(LONG).owner("host-1/nightly").acquire().await.unwrap();
    assert_eq!(guard.owner(), Some("host-1/nightly"));
    let status = client.inspect("r").await.unwrap();
    assert_eq!(status.token(), Some(guard.lease().token()));
    assert_eq!(status.owner(), guard.owner());
    assert_eq!(status.nodes().len(), 3);
    assert!(client.is_locked("r").await.unwrap());
    guard.release().await;
    assert!(!client.is_locked("r").await.unwrap());

    let nested = client.lock("r").owner("host-2").reentrant().acquire().await.unwrap();
    assert_eq!(nested.owner(), Some("host-2"));
    nested.release().await;
}

pub(crate) async fn a_name_that_is_none_is_told<C: Client>(nodes: &Nodes, client: &C) {
    let bad = |error: Error| assert!(matches!(error, Error::Config(_)), "{error}");
    bad(client.inspect("").await.err().unwrap());
    bad(client.is_locked("").await.err().unwrap());
    bad(client.reset("").await.err().unwrap());
    bad(client.lock("r").owner("two words").try_acquire().await.err().unwrap());
    let error = client.reset_all("").await.err().unwrap();
    assert!(matches!(error, Error::Config(ConfigError::EmptyPrefix)), "{error}");
    assert_eq!(nodes.count_calls(), 0);
}

pub(crate) async fn a_reset_takes_the_lock_away<C: Client>(nodes: &Nodes, client: &C) {
    let mut guard = client.lock("r").ttl(LONG).acquire().await.unwrap();
    client.settled().await;
    let reset = client.reset("r").await.unwrap();
    assert_eq!((reset.removed(), reset.is_complete()), (3, true));
    assert_eq!(reset.nodes()[0].removed().unwrap(), Some(guard.lease().token()));
    assert_eq!(nodes.count_keys("r"), 0);
    let error = guard.extend(LONG).await.unwrap_err();
    assert!(matches!(error, Error::Lost { reason: LossReason::QuorumLost, .. }), "{error}");
    assert_eq!(client.reset("r").await.unwrap().removed(), 0);
}

/// Which resource is held on which node.
fn places(listed: &[Listed]) -> Vec<(String, String)> {
    let place = |one: &Listed| (one.resource().to_string(), one.label().to_owned());
    let mut places: Vec<_> = listed.iter().map(place).collect();
    places.sort_unstable();
    places
}

/// On each of the three nodes, for these numbers of orders: more than one page of them.
fn everywhere(numbers: impl Iterator<Item = u32>) -> Vec<(String, String)> {
    let mut places: Vec<_> = numbers
        .flat_map(|number| ["a", "b", "c"].map(|node| (format!("order:{number}"), node.to_owned())))
        .collect();
    places.sort_unstable();
    places
}

async fn stocked<C: Client>(client: &C) -> Vec<impl Guard + use<C>> {
    let mut guards = Vec::new();
    for number in 0..30 {
        let lock = client.lock(&format!("order:{number}")).ttl(LONG).owner("stock");
        guards.push(lock.acquire().await.unwrap());
    }
    guards.push(client.lock("other").ttl(LONG).acquire().await.unwrap());
    client.settled().await;
    guards
}

pub(crate) async fn what_is_held_is_listed<C: Client>(_: &Nodes, client: &C) {
    let guards = stocked(client).await;
    let listed = client.list("order:").await.unwrap();
    assert_eq!(places(&listed), everywhere(0..30));
    assert!(listed.iter().all(|one| one.owner() == Some("stock")));
    assert_eq!(client.list("").await.unwrap().len(), 93);
    assert!(client.list("nothing").await.unwrap().is_empty());
    drop(guards);
    client.settled().await;
    assert!(client.list("").await.unwrap().is_empty());
}

pub(crate) async fn what_begins_so_is_reset<C: Client>(nodes: &Nodes, client: &C) {
    let _guards = stocked(client).await;
    assert_eq!(places(&client.reset_all("order:").await.unwrap()), everywhere(0..30));
    assert_eq!(nodes.count_keys("other"), 3);
    assert_eq!(client.list("").await.unwrap().len(), 3);
    assert!(client.reset_all("order:").await.unwrap().is_empty());
}
