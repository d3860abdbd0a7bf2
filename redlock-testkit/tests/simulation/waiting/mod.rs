//! Many who wait for a lock: in processes that fail, for holders who go in every way, with word of
//! releases that is lost, late, repeated and cut off.

mod bound;
mod plan;
mod tap;
mod vigil;
mod waiter;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, join_all, select},
};
use redlock_core::{Redlock, Resource};
use redlock_testkit::{SimCluster, SimLink, SimRandom, SimRuntime};

use self::{
    bound::Bound,
    plan::{Plan, Word},
    tap::Tap,
    vigil::Vigil,
    waiter::Waiter,
};
use crate::{
    claim::Told,
    plan::index,
    run::{Outcome, ShutDown, rate},
};

/// A run that has been set up.
struct Run {
    sim: SimRuntime,
    plan: Arc<Plan>,
    cluster: SimCluster,
    waiters: Vec<Waiter>,
    links: Vec<Vec<SimLink>>,
    vigil: Arc<Vigil>,
    over: Arc<Mutex<bool>>,
}

/// Runs what the seed stands for.
pub(crate) fn run(seed: u64, verbose: bool) -> Outcome {
    let sim = SimRuntime::new(seed);
    let _end = ShutDown(sim.clone());
    if verbose {
        sim.keep_log();
    }
    let plan = Arc::new(Plan::draw(sim.random()));
    sim.note(format_args!("{plan:?}"));
    let run = Run::set_up(sim, plan);
    let alarm = run.vigil.alarm();
    run.sim.block_on(async {
        let whole = std::pin::pin!(run.whole());
        if let Either::Left(_) = select(whole, alarm).await {
            run.vigil.check();
        }
    });
    let mut seen = BTreeMap::new();
    for waiter in &run.waiters {
        waiter.seen.merge_into(&mut seen);
        // Their guards refer to the simulation.
        let forgotten = std::mem::take(&mut *waiter.forgotten.lock().expect("nobody panics"));
        drop(forgotten);
    }
    Outcome {
        violation: run.vigil.violation(),
        hash: run.sim.log_hash(),
        steps: run.sim.steps(),
        seen,
        told: Told::default(),
        log: run.sim.log_lines(),
    }
}

impl Run {
    fn set_up(sim: SimRuntime, plan: Arc<Plan>) -> Self {
        let random = sim.random();
        let cluster = SimCluster::new(&sim, plan.nodes);
        cluster.network(plan.network);
        for node in cluster.nodes() {
            node.clock_rate(rate(random, plan.clock_error));
        }
        let vigil = Vigil::new(&sim, &plan);
        vigil.look_at(cluster.nodes());
        let watching = Arc::clone(&vigil);
        sim.after_each_step(move || watching.check());
        let resources: Arc<[Resource]> = ["a", "b"][..plan.resources]
            .iter()
            .map(|name| Resource::new(*name).expect("a name"))
            .collect();
        let mut waiters = Vec::new();
        let mut all_links = Vec::new();
        for name in 0..plan.clients {
            let (client, links) = (sim.client(), cluster.links());
            client.clock_rate(rate(random, plan.clock_error));
            all_links.push(links.clone());
            let tap = |(place, link)| Tap {
                link,
                client: name,
                is_first: place == 0,
                vigil: Arc::clone(&vigil),
            };
            let redlock = Redlock::builder()
                .nodes(links.into_iter().enumerate().map(tap))
                .ttl(plan.ttl)
                .node_timeout(plan.node_timeout)
                .retry(plan.retry)
                .handovers(plan.handovers)
                .runtime(client.shared())
                .random(Arc::new(SimRandom::new(random.number())))
                .build()
                .expect("the plan is legal");
            waiters.push(Waiter {
                sim: sim.clone(),
                client,
                name,
                redlock,
                resources: Arc::clone(&resources),
                plan: Arc::clone(&plan),
                vigil: Arc::clone(&vigil),
                seen: Arc::default(),
                forgotten: Arc::default(),
            });
        }
        let over = Arc::default();
        let run = Self { sim, plan, cluster, waiters, links: all_links, vigil, over };
        run.schedule();
        run
    }

    /// Decides when what goes wrong.
    fn schedule(&self) {
        let random = self.sim.random();
        for fault in 0..self.plan.cuts + self.plan.faults {
            let start = self.sim.now().after(random.between(Duration::ZERO, self.plan.horizon));
            let lasts = random.between(Duration::ZERO, self.plan.ttl / 2);
            let end = start.after(lasts);
            let node = self.cluster.nodes()[index(random, self.plan.nodes)].clone();
            let who = index(random, self.plan.clients);
            let link = self.links[who][index(random, self.plan.nodes)].clone();
            let over = Arc::clone(&self.over);
            let at = |moment, fault: Box<dyn FnOnce() + Send>| {
                self.sim.at(moment, move || {
                    if !*over.lock().expect("nobody panics") {
                        fault();
                    }
                });
            };
            if fault < self.plan.cuts {
                // All streams there are, those of a process, or one.
                let cut = match random.below(3) {
                    0 => self.links.concat(),
                    1 => self.links[who].clone(),
                    _ => vec![link],
                };
                let vigil = Arc::clone(&self.vigil);
                at(
                    start,
                    Box::new(move || {
                        vigil.cuts();
                        cut.iter().for_each(SimLink::end_streams);
                    }),
                );
                continue;
            }
            match random.below(4) {
                0 => {
                    let back = node.clone();
                    at(start, Box::new(move || node.crash()));
                    self.sim.at(end, move || back.restart());
                }
                1 => {
                    let back = node.clone();
                    at(start, Box::new(move || node.hang()));
                    self.sim.at(end, move || back.resume());
                }
                2 => {
                    let back = link.clone();
                    at(start, Box::new(move || link.cut()));
                    self.sim.at(end, move || back.mend());
                }
                _ => {
                    let (vigil, sim) = (Arc::clone(&self.vigil), self.sim.clone());
                    let client = self.waiters[who].client.clone();
                    at(
                        start,
                        Box::new(move || {
                            vigil.freezes(who, sim.now().after(lasts));
                            client.freeze(lasts);
                        }),
                    );
                }
            }
        }
    }

    async fn whole(&self) {
        self.all(|waiter: Waiter| async move { waiter.work().await }).await;
        *self.over.lock().expect("nobody panics") = true;
        self.settle("after the work").await;
        self.cluster.heal();
        self.links.iter().flatten().for_each(SimLink::mend);
        self.vigil.expect(Bound::healed(&self.plan));
        self.all(|waiter: Waiter| async move { waiter.make_progress().await }).await;
        self.settle("after the end").await;
    }

    /// Lets every task do something.
    async fn all<F>(&self, work: impl Fn(Waiter) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut ends = Vec::new();
        for waiter in self.waiters.iter().flat_map(|waiter| vec![waiter; self.plan.tasks]) {
            let (end, ended) = oneshot::channel::<()>();
            let work = work(waiter.clone());
            let task = async move {
                work.await;
                drop(end);
            };
            waiter.client.spawn(task).expect("the simulation runs");
            ends.push(ended);
        }
        join_all(ends).await;
    }

    /// Waits for every clean-up. Nobody waits any more, and nothing is left of those who did.
    async fn settle(&self, when: &str) {
        for waiter in &self.waiters {
            waiter.redlock.settled().await;
        }
        let network = &self.plan.network;
        let mut under_way = network.longest_latency.max(network.longest_spike) * 2;
        if self.plan.word == Word::MayBeLost {
            // What clean-up could not know of dies by itself.
            under_way += self.plan.ttl * 3;
        }
        self.sim.sleep(under_way + under_way / 20 + Duration::from_millis(5)).await;
        self.vigil.nobody_listens(when);
    }
}
