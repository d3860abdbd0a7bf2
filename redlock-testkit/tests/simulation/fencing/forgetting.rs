//! Nodes that restart with nothing in the middle of holds, in quarantine or trusted.

use std::{sync::Arc, time::Duration};

use futures::{channel::oneshot, future::join_all};
use redlock_core::{Guard, Redlock, RestartPolicy, Retry, Ttl};
use redlock_testkit::{History, Network, SimClient, SimCluster, SimRandom, SimRuntime};

use super::{MS, index, outside::named};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Forgetting {
    /// The first overlap, if there is any.
    pub(crate) overlap: Option<String>,
    pub(crate) holds: usize,
}

/// Clients hold, extend and renew a lock while its nodes forget it, one after another or several at
/// once. All else that is relied on holds.
pub(crate) fn forget(seed: u64, quarantined: bool) -> Forgetting {
    let sim = SimRuntime::new(seed);
    let random = sim.random();
    let ttl = random.between(MS * 50, MS * 500);
    let cluster = SimCluster::new(&sim, [3, 5][index(random, 2)]);
    cluster.network(Network { longest_latency: ttl / 20, lose_reply: 0.02, ..Network::default() });
    let max_ttl = Ttl::new(ttl).expect("it is legal");
    for node in cluster.nodes() {
        if quarantined {
            node.restart_policy(RestartPolicy::Quarantine { max_ttl });
        }
        node.clock_rate(0.996 + random.between(Duration::ZERO, MS * 8).as_secs_f64());
    }
    let horizon = MS * 8000;
    for _ in 0..2 + random.below(5) {
        let start = sim.now().after(random.between(Duration::ZERO, horizon));
        let back = start.after(random.between(Duration::ZERO, ttl / 10));
        let several = random.chance(0.3);
        let first = index(random, cluster.nodes().len() as u64);
        let nodes = if several { cluster.nodes() } else { &cluster.nodes()[first..=first] };
        for node in nodes {
            let (node, again) = (node.clone(), node.clone());
            sim.at(start, move || node.crash_and_forget());
            sim.at(back, move || again.restart());
        }
    }
    let history = History::new(sim.shared());
    let end = sim.now().after(horizon);
    let mut ends = Vec::new();
    for name in 0..3 {
        let (client, history) = (sim.client(), history.clone());
        let redlock = Redlock::builder()
            .nodes(cluster.links())
            .ttl(ttl)
            .node_timeout(ttl / 4)
            .retry(Retry::fixed(ttl / 4).unlimited())
            .random(Arc::new(SimRandom::new(random.number())))
            .runtime(client.shared())
            .build()
            .expect("it is legal");
        let (over, is_over) = oneshot::channel::<()>();
        let (sim, worker) = (sim.clone(), client.clone());
        let work = async move {
            while sim.now() < end {
                let lock = redlock.lock("r");
                let Ok(guard) = lock.acquire_within(ttl * 4).await else { continue };
                hold(&sim, &worker, name, guard, &history).await;
                worker.sleep(sim.random().between(Duration::ZERO, ttl / 2)).await;
            }
            drop(over);
        };
        client.spawn(work).expect("the simulation runs");
        ends.push(is_over);
    }
    sim.block_on(join_all(ends));
    let overlap = history.check().first().map(ToString::to_string);
    let holds = history.holds();
    sim.shut_down();
    Forgetting { overlap, holds }
}

async fn hold(
    sim: &SimRuntime,
    client: &SimClient,
    name: usize,
    mut guard: Guard,
    history: &History,
) {
    let held = history.begin(format!("client {name}"), &named("r"), || guard.is_valid());
    let Some(held) = held else { return };
    for _ in 0..sim.random().below(20) {
        client.sleep(sim.random().between(Duration::ZERO, guard.lease().ttl().get() / 5)).await;
        if sim.random().chance(0.1) {
            // It may fail: then it is held as long as it was, or lost.
            let ttl = guard.lease().ttl().get();
            drop(guard.extend(ttl).await);
        }
        if !held.confirm(|| guard.is_valid()) {
            return;
        }
    }
    drop(guard.release().await);
}
