//! A value that is computed once.

use redlock_testkit::MemoryCache;
use redlocks::{ComputeError, Origin, Stored};

use crate::client::{Client, Nodes};

pub(crate) async fn the_first_computes_and_the_next_finds_it<C: Client>(nodes: &Nodes, client: &C) {
    let cache = MemoryCache::on_tokio();
    let first = client.get_or_compute(&cache, || {
        assert_eq!(nodes.count_keys("redlocks:compute:k"), 3, "nobody else computes");
        Ok("mine".to_owned())
    });
    let first = first.await.unwrap();
    assert!(matches!(first.origin(), Origin::Computed(Stored::Yes)), "{first:?}");
    assert_eq!(first.value(), "mine");
    client.settled().await;
    let calls = nodes.count_calls();
    let next = client.get_or_compute(&cache, || unreachable!("it is there")).await.unwrap();
    assert!(matches!(next.origin(), Origin::Cached), "{next:?}");
    assert_eq!(next.value(), "mine");
    assert_eq!(nodes.count_calls(), calls, "a hit asks no node");
    assert_eq!(nodes.count_keys("redlocks:compute:k"), 0);
}

pub(crate) async fn a_failure_is_told_and_the_next_has_his_try<C: Client>(
    nodes: &Nodes,
    client: &C,
) {
    let cache = MemoryCache::on_tokio();
    let failed = client.get_or_compute(&cache, || Err("out of paper")).await;
    assert!(matches!(failed, Err(ComputeError::Compute("out of paper"))), "{failed:?}");
    client.settled().await;
    assert_eq!((nodes.count_keys("redlocks:compute:k"), cache.writes()), (0, 0));
    let next = client.get_or_compute(&cache, || Ok("printed".to_owned())).await.unwrap();
    assert!(next.is_computed());
}
