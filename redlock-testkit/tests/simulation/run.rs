//! One run, from its seed to its verdict.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, join_all, select},
};
use redlock_core::{Redlock, Resource};
use redlock_testkit::{
    Fault, FaultyNode, Operation, SimClient, SimCluster, SimLink, SimRandom, SimRuntime,
};

use crate::{
    actor::{Actor, Seen},
    chaos::{Freezes, schedule},
    claim::Told,
    plan::{Broken, Plan},
    tokens::Tokens,
    watch::Watch,
};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) seen: BTreeMap<&'static str, u64>,
    pub(crate) told: Told,
    pub(crate) log: Vec<String>,
}

/// A run that has been set up.
struct Run {
    sim: SimRuntime,
    plan: Arc<Plan>,
    cluster: SimCluster,
    actors: Vec<Actor>,
    links: Vec<SimLink>,
    watch: Arc<Watch>,
    freezes: Freezes,
    over: Arc<AtomicBool>,
}

/// Runs what the seed and the way to plan stand for.
pub(crate) fn run(seed: u64, plan: impl FnOnce(&SimRandom) -> Plan, verbose: bool) -> Outcome {
    let sim = SimRuntime::new(seed);
    let _end = ShutDown(sim.clone());
    if verbose {
        sim.keep_log();
    }
    let plan = Arc::new(plan(sim.random()));
    sim.note(format_args!("{plan:?}"));
    let run = Run::set_up(sim, plan);
    let alarm = run.watch.alarm();
    run.sim.block_on(async {
        let whole = std::pin::pin!(run.whole());
        if let Either::Right(_) = select(whole, alarm).await {
            run.watch.end_all();
        }
    });
    let mut seen = BTreeMap::new();
    run.actors.iter().for_each(|actor| actor.seen.merge_into(&mut seen));
    Outcome {
        violation: run.watch.violation(),
        hash: run.sim.log_hash(),
        steps: run.sim.steps(),
        seen,
        told: run.watch.so_far(),
        log: run.sim.log_lines(),
    }
}

impl Run {
    fn set_up(sim: SimRuntime, plan: Arc<Plan>) -> Self {
        sim.step_time(plan.step_time);
        sim.stalls(plan.stalls, plan.ttl / 4);
        let random = sim.random();
        let cluster = SimCluster::new(&sim, plan.nodes);
        cluster.network(plan.network);
        for node in cluster.nodes() {
            node.clock_rate(rate(random, plan.clock_error));
        }
        let watch = Watch::new(&sim, cluster.nodes(), &plan);
        let watching = Arc::clone(&watch);
        sim.after_each_step(move || watching.check());
        let clients: Vec<(SimClient, Vec<SimLink>)> =
            (0..plan.clients).map(|_| (sim.client(), cluster.links())).collect();
        let over = Arc::default();
        let freezes = schedule(&sim, &plan, &cluster, &clients, &over);
        watch.excuse(&freezes);
        let resources: Arc<[Resource]> = ["a", "b"][..plan.resources]
            .iter()
            .map(|name| Resource::new(*name).expect("a name"))
            .collect();
        let mut actors = Vec::new();
        let mut all_links = Vec::new();
        for (name, (client, links)) in clients.into_iter().enumerate() {
            client.clock_rate(rate(random, plan.clock_error));
            all_links.extend(links.iter().cloned());
            let tokens = Arc::new(Tokens::new(random.number()));
            let redlock = Redlock::builder()
                .nodes(links.into_iter().map(|link| ears(link, &client, &plan)))
                .ttl(plan.ttl)
                .node_timeout(plan.node_timeout)
                .retry(plan.retry)
                .renewal(plan.renewal)
                .grace(plan.grace)
                .max_hold(plan.max_hold)
                .runtime(client.shared())
                .random(Arc::<Tokens>::clone(&tokens))
                .build()
                .expect("the plan is legal");
            actors.push(Actor {
                sim: sim.clone(),
                client,
                name,
                redlock,
                resources: Arc::clone(&resources),
                plan: Arc::clone(&plan),
                watch: Arc::clone(&watch),
                freezes: freezes.clone(),
                seen: Arc::<Seen>::default(),
                tokens,
                nodes: Arc::from(cluster.nodes()),
            });
        }
        Self { sim, plan, cluster, actors, links: all_links, watch, freezes, over }
    }

    async fn whole(&self) {
        let horizon = self.sim.now().after(self.plan.horizon);
        self.all(|actor: Actor| async move { actor.work(horizon).await }).await;
        if !matches!(self.plan.broken, None | Some(Broken::Deafness)) {
            return;
        }
        self.heal();
        self.settle("after the work").await;
        self.all(|actor: Actor| async move { actor.make_progress().await }).await;
        self.settle("after the end").await;
    }

    /// Lets every client do something, as tasks of its own process.
    async fn all<F>(&self, work: impl Fn(Actor) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut ends = Vec::new();
        let tasks = self.actors.iter().flat_map(|actor| vec![actor; self.plan.tasks]);
        for actor in tasks {
            let (end, ended) = oneshot::channel::<()>();
            let (client, work) = (actor.client.clone(), work(actor.clone()));
            let task = async move {
                work.await;
                drop(end);
            };
            client.spawn(task).expect("the simulation runs");
            ends.push(ended);
        }
        join_all(ends).await;
    }

    fn heal(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.sim.stalls(0.0, Duration::ZERO);
        self.cluster.heal();
        self.links.iter().for_each(SimLink::mend);
    }

    /// Waits for every clean-up; afterwards no key may be left.
    async fn settle(&self, when: &str) {
        let (start, steps) = (self.sim.now(), self.sim.steps());
        for actor in &self.actors {
            actor.redlock.settled().await;
        }
        let took = self.sim.now().since(start);
        let steps = u32::try_from(self.sim.steps() - steps).unwrap_or(u32::MAX);
        let bound = self.settling_takes() + self.plan.step_time * steps;
        if took > bound {
            self.watch.fail(format!("settling {when} took {took:?}, not within {bound:?}"));
        }
        if !self.plan.clean_up_is_complete() {
            // What may be left dies by itself.
            let late = self.plan.network.longest_spike + self.plan.ttl * 3 + self.plan.grace;
            self.sim.sleep(late + late / 50).await;
        }
        for node in self.cluster.nodes() {
            if let Some(key) = node.keys().first() {
                self.watch.fail(format!("an orphan {when}: {node:?} has {key:?}"));
            }
        }
    }

    fn settling_takes(&self) -> Duration {
        let Plan { network, ttl, node_timeout, grace, hold_at_least, .. } = &*self.plan;
        let now = self.sim.now();
        let frozen = (0..self.actors.len()).map(|client| {
            let start = now.before(*ttl * 4);
            self.freezes.of(client, start, now.after(*ttl))
        });
        let frozen = frozen.max().unwrap_or_default();
        let under_way = (network.longest_spike + network.longest_latency) * 2;
        // The longest pause between two tries to release, and the tries themselves.
        let mut takes = Duration::from_secs(1) + MS * 10 + under_way + frozen;
        // What is kept for a while is released after that.
        takes += *hold_at_least.max(grace);
        if !self.plan.calls_return() {
            // A call that never returns is waited for until its node must have forgotten.
            takes += (*ttl * 2 + *grace) * 2 + *node_timeout + Duration::from_millis(200);
        }
        takes + takes / 50
    }
}

/// The node behind the link, unless it is deaf.
fn ears(link: SimLink, client: &SimClient, plan: &Plan) -> FaultyNode<SimLink> {
    let node = FaultyNode::new(link, client.shared());
    if plan.broken == Some(Broken::Deafness) {
        node.rule(|operation, _| match operation {
            Operation::Release => Fault::Refuse,
            _ => Fault::None,
        });
    }
    node
}

/// How fast a clock runs that is wrong by up to this much.
pub(crate) fn rate(random: &SimRandom, error: f64) -> f64 {
    let part = random.between(Duration::ZERO, Duration::from_secs(2)).as_secs_f64() - 1.0;
    1.0 + error * part
}

/// Clients and nodes refer to the simulation, and the simulation to their tasks.
pub(crate) struct ShutDown(pub(crate) SimRuntime);

impl Drop for ShutDown {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

const MS: Duration = Duration::from_millis(1);
