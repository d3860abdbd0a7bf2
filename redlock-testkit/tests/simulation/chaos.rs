//! What goes wrong beside the network.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redlock_core::Moment;
use redlock_testkit::{SimClient, SimCluster, SimLink, SimRuntime};

use crate::plan::{Broken, Plan, index};

/// When which client was frozen, so that nobody expects it to have been quick.
#[derive(Clone, Default)]
pub(crate) struct Freezes(Arc<Mutex<Vec<(usize, Moment, Moment)>>>);

impl Freezes {
    /// For how long the client has been frozen between these moments.
    pub(crate) fn of(&self, client: usize, from: Moment, to: Moment) -> Duration {
        let freezes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let overlap = |&(who, start, end): &(usize, Moment, Moment)| {
            if who == client { end.min(to).since(start.max(from)) } else { Duration::ZERO }
        };
        freezes.iter().map(overlap).sum()
    }

    fn add(&self, client: usize, start: Moment, end: Moment) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((client, start, end));
    }
}

/// Decides when what goes wrong. Nothing begins any more once `over` is set.
pub(crate) fn schedule(
    sim: &SimRuntime,
    plan: &Plan,
    cluster: &SimCluster,
    clients: &[(SimClient, Vec<SimLink>)],
    over: &Arc<AtomicBool>,
) -> Freezes {
    let freezes = Freezes::default();
    let random = sim.random();
    let at = |moment, fault: Box<dyn FnOnce() + Send>| {
        let over = Arc::clone(over);
        sim.at(moment, move || {
            if !over.load(Ordering::Relaxed) {
                fault();
            }
        });
    };
    for _ in 0..plan.faults {
        let start = sim.now().after(random.between(Duration::ZERO, plan.horizon));
        let lasts = random.between(Duration::ZERO, plan.ttl);
        let end = start.after(lasts);
        let node = cluster.nodes()[index(random, plan.nodes)].clone();
        let who = index(random, plan.clients);
        let (client, links) = clients[who].clone();
        match random.below(4) {
            0 if plan.crashes => {
                let back = node.clone();
                at(start, Box::new(move || node.crash()));
                sim.at(end, move || back.restart());
            }
            1 => {
                let back = node.clone();
                at(start, Box::new(move || node.hang()));
                // Not so long that what it received is worth nothing any more.
                sim.at(start.after(lasts / 2), move || back.resume());
            }
            2 if !plan.calls_return() => {
                let link = links[index(random, plan.nodes)].clone();
                let back = link.clone();
                at(start, Box::new(move || link.cut()));
                sim.at(end, move || back.mend());
            }
            _ => {
                let (freezes, sim) = (freezes.clone(), sim.clone());
                let freeze = move || {
                    // It may begin late, if the process of somebody else stalls.
                    freezes.add(who, sim.now(), sim.now().after(lasts));
                    client.freeze(lasts);
                };
                at(start, Box::new(freeze));
            }
        }
    }
    if let Some(broken) = plan.broken {
        break_something(sim, plan, cluster, broken);
    }
    freezes
}

fn break_something(sim: &SimRuntime, plan: &Plan, cluster: &SimCluster, broken: Broken) {
    let random = sim.random();
    for _ in 0..3 {
        let at = sim.now().after(random.between(Duration::ZERO, plan.horizon));
        let (nodes, ttl) = (cluster.nodes().to_vec(), plan.ttl);
        sim.at(at, move || {
            for node in nodes {
                match broken {
                    Broken::ClockStep => node.step_clock_forward(ttl),
                    Broken::Amnesia => {
                        node.crash_and_forget();
                        node.restart();
                    }
                    Broken::Drift => node.clock_rate(1.3),
                    // Its links see to that.
                    Broken::Deafness => {}
                }
            }
        });
    }
}
