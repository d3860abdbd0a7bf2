//! The lock's histories: what clients that believe in their locks do to a counter that only the
//! lock protects, checked by the same checker as histories of real servers.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use redlock_core::{LockNode, Redlock, Resource};
use redlock_testkit::{
    Anomaly, History, MemoryNode, Network, Outcome, SimClient, SimCluster, SimRandom, SimRuntime,
    Update,
};

const CLIENTS: usize = 4;
const TTL: Duration = Duration::from_secs(2);

/// Takes the lock, reads, pauses, writes, over and over, for as long as its guard says that it may.
async fn count(
    name: String,
    client: SimClient,
    redlock: Redlock,
    counter: Arc<AtomicU64>,
    history: History,
) {
    for _ in 0..5 {
        let Ok(guard) = redlock.lock("counter").acquire_within(TTL * 10).await else { continue };
        let valid = || guard.is_valid();
        let Some(hold) = history.begin(&*name, guard.resource(), valid) else { continue };
        let read = counter.load(Ordering::SeqCst);
        client.sleep(TTL / 20).await;
        if hold.confirm(valid) {
            counter.store(read + 1, Ordering::SeqCst);
            let resource = guard.resource().clone();
            history.update(Update::new(&*name, resource, read, Outcome::Done));
        }
        guard.release().await;
    }
}

/// Runs one seed. `trouble` is what happens to the nodes, again and again, while clients work.
fn run(seed: u64, trouble: fn(&MemoryNode)) -> (Vec<Anomaly>, usize) {
    let sim = SimRuntime::new(seed);
    let cluster = SimCluster::new(&sim, 3);
    let rough = Network { lose_request: 0.02, lose_reply: 0.02, ..Network::default() };
    cluster.network(Network { connections: 2, ..rough });
    let history = History::new(sim.shared());
    let counter = Arc::new(AtomicU64::new(0));
    let redlocks: Vec<Redlock> = (0..CLIENTS)
        .map(|client| {
            let random = Arc::new(SimRandom::new(seed * 10 + client as u64));
            let builder = Redlock::builder().nodes(cluster.links()).random(random).ttl(TTL);
            builder.runtime(sim.client().shared()).build().unwrap()
        })
        .collect();
    for turn in 0..200 {
        let node = cluster.nodes()[turn % 3].clone();
        sim.at(sim.now().after(TTL / 20 * turn as u32), move || trouble(&node));
    }
    let clients = redlocks.iter().enumerate().map(|(place, redlock)| {
        let (counter, history) = (Arc::clone(&counter), history.clone());
        let client = sim.client();
        count(format!("client {place}"), client, redlock.clone(), counter, history)
    });
    sim.block_on(async {
        join_all(clients).await;
        cluster.heal();
        join_all(redlocks.iter().map(Redlock::settled)).await;
        sim.sleep(TTL * 3).await;
        let nodes = cluster.nodes().iter().cloned();
        let nodes: Vec<Arc<dyn LockNode>> = nodes.map(|node| Arc::new(node) as _).collect();
        history.scan(&nodes, &[Resource::new("counter").unwrap()]).await;
    });
    (history.check(), history.holds())
}

#[test]
fn nothing_is_wrong_in_the_histories_of_nodes_that_hang_and_come_back() {
    let mut holds = 0;
    for seed in 0..200 {
        let (anomalies, seen) =
            run(seed, |node| if node.is_up() { node.hang() } else { node.resume() });
        assert_eq!(anomalies, [], "seed {seed}");
        holds += seen;
    }
    assert!(holds > 1_000, "only {holds} holds: nothing is proven");
}

#[test]
fn nodes_that_forget_are_seen_to_overlap_and_to_lose_updates() {
    let anomalies: Vec<Anomaly> = (0..100)
        .flat_map(|seed| {
            run(seed, |node| {
                node.crash_and_forget();
                node.restart();
            })
            .0
        })
        .collect();
    let overlap = |anomaly: &Anomaly| matches!(anomaly, Anomaly::Overlap { .. });
    let lost = |anomaly: &Anomaly| matches!(anomaly, Anomaly::LostUpdate { .. });
    assert!(anomalies.iter().any(overlap), "{anomalies:?}");
    assert!(anomalies.iter().any(lost), "{anomalies:?}");
}
