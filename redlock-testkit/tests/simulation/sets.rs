//! Sets of resources that overlap with each other and with single locks, by several processes with
//! several tasks each, while nodes and the network fail: no resource is ever had by two, and when
//! all is well again everybody gets what he wants and nothing is left behind.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, join_all, select},
};
use redlock_core::{Error, Guard, LossSignal, Moment, Redlock, Renewal, Resource, Retry};
use redlock_testkit::{MemoryNode, Network, SimClient, SimCluster, SimRandom, SimRuntime};

use crate::{claim::Told, run::Outcome};

/// Whether nodes keep what they know when they crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Kept,
    /// Two may then hold at the same time, which shows that it would be seen.
    Lost,
}

pub(crate) fn run(seed: u64, verbose: bool) -> Outcome {
    run_with(seed, Memory::Kept, verbose)
}

pub(crate) fn run_with(seed: u64, memory: Memory, verbose: bool) -> Outcome {
    let sim = SimRuntime::new(seed);
    if verbose {
        sim.keep_log();
    }
    let random = sim.random();
    let ttl = random.between(MS * 50, MS * 300);
    let cluster = SimCluster::new(&sim, [1, 3, 3, 3, 4, 5][index(random, 6)]);
    cluster.network(network(random, ttl));
    let clients: Vec<_> = (0..1 + index(random, 3)).map(|_| sim.client()).collect();
    let end = sim.now().after(ttl * 15);
    trouble(&sim, &cluster, &clients, (ttl, end), memory);
    let ledger = Arc::<Ledger>::default();
    let redlocks: Vec<_> =
        clients.iter().map(|client| redlock(&cluster, client, random, ttl)).collect();
    let mut tasks = Vec::new();
    for (client, redlock) in clients.iter().zip(&redlocks) {
        for _ in 0..1 + index(random, 3) {
            let task = Task {
                sim: sim.clone(),
                client: client.clone(),
                redlock: redlock.clone(),
                ledger: Arc::clone(&ledger),
                name: tasks.len(),
                ttl,
            };
            tasks.push(task.start(end));
        }
    }
    sim.block_on(join_all(tasks));
    sim.block_on(join_all(redlocks.iter().map(Redlock::settled)));
    let left: usize = cluster.nodes().iter().map(|node| node.keys().len()).sum();
    // A node that forgot may be released by a stranger's late word, so only those that did not tell.
    if left > 0 && memory == Memory::Kept {
        ledger.broken(format!("{left} keys are left"));
    }
    let (violation, seen) = {
        let mut state = ledger.state();
        // They refer to the simulation.
        state.holders.clear();
        (state.violation.take(), std::mem::take(&mut state.seen))
    };
    let (hash, steps, log) = (sim.log_hash(), sim.steps(), sim.log_lines());
    sim.shut_down();
    Outcome { violation, hash, steps, seen, told: Told::default(), log }
}

fn redlock(cluster: &SimCluster, client: &SimClient, random: &SimRandom, ttl: Duration) -> Redlock {
    Redlock::builder()
        .nodes(cluster.links())
        .ttl(ttl)
        .node_timeout(ttl / 4)
        .retry(Retry::fixed(ttl / 10).unlimited())
        .renewal(if random.chance(0.5) { Renewal::default() } else { Renewal::off() })
        .handovers(u32::try_from(random.below(6)).expect("it is small"))
        .random(Arc::new(SimRandom::new(random.number())))
        .runtime(client.shared())
        .build()
        .expect("it is legal")
}

/// Who has what, as those see it who have it.
#[derive(Default)]
struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    /// The tasks that have had a resource, and whether they still do.
    holders: BTreeMap<Resource, Vec<(usize, LossSignal)>>,
    violation: Option<String>,
    seen: BTreeMap<&'static str, u64>,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics")
    }

    fn saw(&self, what: &'static str) {
        *self.state().seen.entry(what).or_default() += 1;
    }

    fn broken(&self, how: String) {
        self.state().violation.get_or_insert(how);
    }

    /// The task has what its guard says, for as long as that is valid.
    fn enter(&self, task: usize, guard: &Guard, now: Moment) {
        let mut state = self.state();
        for resource in guard.resources() {
            let holders = state.holders.entry(resource.clone()).or_default();
            holders.retain(|(_, held)| held.is_valid());
            let other = holders.first().map(|(other, _)| *other).filter(|_| guard.is_valid());
            holders.push((task, guard.loss()));
            if let Some(other) = other {
                state.violation.get_or_insert_with(|| {
                    format!("tasks {other} and {task} have {resource:?} at the same time, {now:?}")
                });
            }
        }
    }
}

struct Task {
    sim: SimRuntime,
    client: SimClient,
    redlock: Redlock,
    ledger: Arc<Ledger>,
    name: usize,
    ttl: Duration,
}

impl Task {
    /// Works until then, and once more when all is well again.
    fn start(self, end: Moment) -> oneshot::Receiver<()> {
        let (done, ended) = oneshot::channel();
        let client = self.client.clone();
        let work = async move {
            while self.sim.now() < end {
                self.round().await;
            }
            self.client.sleep(self.ttl * 2).await;
            self.last_round().await;
            let _ = done.send(());
        };
        client.spawn(work).expect("the simulation runs");
        ended
    }

    fn random(&self) -> &SimRandom {
        self.sim.random()
    }

    /// Some of the names, in any order, now and then one of them twice.
    fn wanted(&self) -> Vec<&'static str> {
        let many = 1 + index(self.random(), 3);
        (0..many).map(|_| NAMES[index(self.random(), NAMES.len() as u64)]).collect()
    }

    fn some(&self, longest: Duration) -> Duration {
        self.random().between(Duration::ZERO, longest)
    }

    async fn round(&self) {
        let wanted = self.wanted();
        self.sim.note(format_args!("task {} wants {wanted:?}", self.name));
        let lock = self.redlock.lock_all(wanted);
        let patience = self.some(self.ttl * 3);
        let acquire = async {
            if self.random().chance(0.3) {
                lock.try_acquire().await
            } else {
                lock.acquire_within(patience).await
            }
        };
        let interest = if self.random().chance(0.2) { self.some(self.ttl) } else { self.ttl * 100 };
        let acquired = match select(Box::pin(acquire), self.client.sleep(interest)).await {
            Either::Left((acquired, _)) => acquired,
            Either::Right(_) => return self.ledger.saw("cancelled"),
        };
        match acquired {
            Ok(guard) => self.hold(guard).await,
            Err(error) => {
                self.ledger.saw(match error {
                    Error::Contended(_) => "contended",
                    Error::TimedOut { .. } => "timed out",
                    Error::Unavailable(_) => "unavailable",
                    Error::TooSlow(_) => "too slow",
                    other => {
                        self.ledger.broken(format!("task {} got {other}", self.name));
                        "other"
                    }
                });
                self.client.sleep(self.some(self.ttl / 2)).await;
            }
        }
    }

    async fn hold(&self, mut guard: Guard) {
        let several = guard.resources().len() > 1;
        self.ledger.saw(if several { "a set acquired" } else { "one acquired" });
        self.ledger.enter(self.name, &guard, self.sim.now());
        self.client.sleep(self.some(self.ttl)).await;
        if self.random().chance(0.5) {
            match guard.extend(self.ttl).await {
                Ok(()) => self.ledger.saw(if several { "a set extended" } else { "one extended" }),
                Err(Error::Lost { .. }) if several => self.ledger.saw("a set lost"),
                Err(_) => self.ledger.saw("not extended"),
            }
        }
        self.client.sleep(self.some(self.ttl / 4)).await;
        match self.random().below(4) {
            0 => drop(guard),
            1 => {
                let release = Box::pin(guard.release());
                drop(select(release, self.client.sleep(self.some(self.ttl / 10))).await);
            }
            _ => {
                let released = guard.release().await.is_released();
                self.ledger.saw(if released { "released" } else { "released too late" });
            }
        }
    }

    /// With nothing wrong any more, whoever waits gets what he wants.
    async fn last_round(&self) {
        let patience = self.ttl * 50;
        match self.redlock.lock_all(self.wanted()).acquire_within(patience).await {
            Ok(guard) => {
                self.ledger.enter(self.name, &guard, self.sim.now());
                self.client.sleep(self.some(self.ttl / 4)).await;
                guard.release().await;
            }
            Err(error) => {
                self.ledger.broken(format!("task {} waits for ever: {error}", self.name));
            }
        }
    }
}

fn network(random: &SimRandom, ttl: Duration) -> Network {
    Network {
        shortest_latency: MS / 10,
        longest_latency: random.between(MS / 5, ttl / 50),
        spikes: if random.chance(0.5) { 0.02 } else { 0.0 },
        longest_spike: ttl,
        connections: 1 + index(random, 2),
        lose_request: if random.chance(0.3) { 0.02 } else { 0.0 },
        lose_reply: if random.chance(0.3) { 0.02 } else { 0.0 },
        duplicate: if random.chance(0.3) { 0.02 } else { 0.0 },
        lose_notice: if random.chance(0.3) { 0.1 } else { 0.0 },
        ..Network::default()
    }
}

/// Decides what goes wrong beside the network, and when; all is well from `end` on.
fn trouble(
    sim: &SimRuntime,
    cluster: &SimCluster,
    clients: &[SimClient],
    (ttl, end): (Duration, Moment),
    memory: Memory,
) {
    let random = sim.random();
    let nodes = cluster.nodes();
    for _ in 0..random.below(12) {
        let node = nodes[index(random, nodes.len() as u64)].clone();
        let back = node.clone();
        let start = sim.now().after(random.between(Duration::ZERO, ttl * 13));
        let until = start.after(random.between(Duration::ZERO, ttl * 2)).min(end);
        match random.below(3) {
            0 => {
                sim.at(start, move || match memory {
                    Memory::Kept => node.crash(),
                    Memory::Lost => node.crash_and_forget(),
                });
                sim.at(until, move || back.restart());
            }
            1 => {
                sim.at(start, move || node.hang());
                sim.at(until, move || back.resume());
            }
            _ => {
                let client = clients[index(random, clients.len() as u64)].clone();
                let by = random.between(Duration::ZERO, ttl * 2);
                sim.at(start, move || client.freeze(by));
            }
        }
    }
    let (cluster, all): (_, Vec<MemoryNode>) = (cluster.clone(), nodes.to_vec());
    sim.at(end, move || {
        cluster.heal();
        for node in &all {
            node.restart();
            node.resume();
        }
    });
}

fn index(random: &SimRandom, bound: u64) -> usize {
    usize::try_from(random.below(bound)).expect("it is small")
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const MS: Duration = Duration::from_millis(1);

/// A simulation in which one of these never happens tests less than it claims.
pub(crate) const MUST_BE_SEEN: [&str; 12] = [
    "a set acquired",
    "a set extended",
    "a set lost",
    "cancelled",
    "contended",
    "not extended",
    "one acquired",
    "one extended",
    "released",
    "released too late",
    "timed out",
    "unavailable",
];
