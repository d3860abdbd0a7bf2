//! A minority of nodes that hangs costs nobody any time (R7, R24).

use std::time::Duration;

use redlock_core::Redlock;
use redlock_testkit::{Network, SimCluster, SimRuntime};

use crate::plan::index;

#[test]
fn nobody_waits_for_a_minority_that_hangs() {
    for seed in 0..300 {
        let sim = SimRuntime::new(seed);
        let cluster = SimCluster::new(&sim, 5);
        let redlock = Redlock::builder()
            .nodes(cluster.links())
            .ttl(Duration::from_secs(10))
            .node_timeout(Duration::from_secs(2))
            .runtime(sim.client().shared())
            .build()
            .unwrap();
        for _ in 0..2 {
            cluster.nodes()[index(sim.random(), 5)].hang();
        }
        // There and back, and not a nanosecond for anybody else.
        let round_trip = Network::default().longest_latency * 2 + Duration::from_nanos(10);
        let within = |what: &str, start| {
            let took = sim.now().since(start);
            assert!(took <= round_trip, "seed {seed}: {what} took {took:?}");
        };
        sim.block_on(async {
            let start = sim.now();
            let mut guard = redlock.lock("r").try_acquire().await.unwrap();
            within("acquiring", start);
            let start = sim.now();
            guard.extend(Duration::from_secs(20)).await.unwrap();
            within("extending", start);
            let start = sim.now();
            assert!(guard.release().await.is_released());
            within("releasing", start);
            let start = sim.now();
            redlock.lock("r").run(async |_| ()).await.unwrap();
            assert!(sim.now().since(start) <= round_trip * 2);
        });
        sim.shut_down();
    }
}
