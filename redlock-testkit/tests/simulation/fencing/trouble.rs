//! What goes wrong beside the network.

use std::time::Duration;

use redlock_testkit::{MemoryNode, SimClient, SimCluster, SimRandom, SimRuntime};

use super::{Counters, MS, index, outside::named};

/// Decides what goes wrong, and when.
pub(super) fn schedule(
    sim: &SimRuntime,
    cluster: &SimCluster,
    clients: &[SimClient],
    ttl: Duration,
    counters: Counters,
) {
    let random = sim.random();
    for _ in 0..random.below(20) {
        let start = sim.now().after(random.between(Duration::ZERO, ttl * 15));
        let lasts = random.between(Duration::ZERO, ttl * 2);
        let node = cluster.nodes()[index(random, cluster.nodes().len() as u64)].clone();
        let client = clients[index(random, clients.len() as u64)].clone();
        let (by, rate) = (step(random, ttl), rate(random));
        let end = start.after(lasts);
        match random.below(9) {
            0 => sim.at(start, move || node.step_clock_forward(by)),
            1 => sim.at(start, move || node.step_clock_back(by)),
            2 => sim.at(start, move || node.clock_rate(rate)),
            3 => {
                for_a_while(sim, node, (start, MemoryNode::crash), (end, MemoryNode::restart));
            }
            4 => for_a_while(sim, node, (start, MemoryNode::hang), (end, MemoryNode::resume)),
            5 => sim.at(start, move || node.evict(&named("r"))),
            6 => sim.at(start, move || client.freeze(lasts)),
            7 => sim.at(start, move || client.step_clock_forward(lasts)),
            _ => sim.at(start, move || client.clock_rate(rate)),
        }
    }
    if counters == Counters::Lost {
        for _ in 0..4 {
            let start = sim.now().after(random.between(Duration::ZERO, ttl * 15));
            let node = cluster.nodes()[index(random, cluster.nodes().len() as u64)].clone();
            sim.at(start, move || {
                node.step_clock_back(MS * 1000 * 3600);
                node.forget_counter(&named("r"));
            });
        }
    }
}

/// Keys end all the time, as if clocks stepped: nobody is sure of a vote for longer than a moment.
pub(super) fn evictions(sim: &SimRuntime, cluster: &SimCluster, ttl: Duration) {
    let random = sim.random();
    for _ in 0..400 {
        let node = cluster.nodes()[index(random, cluster.nodes().len() as u64)].clone();
        let at = sim.now().after(random.between(Duration::ZERO, ttl * 15));
        sim.at(at, move || node.evict(&named("r")));
    }
}

type When = (redlock_core::Moment, fn(&MemoryNode));

fn for_a_while(sim: &SimRuntime, node: MemoryNode, begin: When, end: When) {
    let back = node.clone();
    sim.at(begin.0, move || begin.1(&node));
    sim.at(end.0, move || end.1(&back));
}

/// Mostly about as long as locks last; now and then so long that hints become absurd.
fn step(random: &SimRandom, ttl: Duration) -> Duration {
    if random.chance(0.1) { DAY * 2 } else { random.between(Duration::ZERO, ttl * 3) }
}

fn rate(random: &SimRandom) -> f64 {
    random.between(MS * 300, MS * 3000).as_secs_f64()
}

const DAY: Duration = Duration::from_secs(24 * 3600);
