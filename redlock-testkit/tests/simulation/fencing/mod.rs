//! Fencing tokens where nothing can be relied on: clocks step and run at any rate, holders are
//! frozen past their lease, messages come late and twice. Two may hold at the same time, and what
//! looks at fences is not harmed.

pub(crate) mod forgetting;
mod outside;
mod trouble;

use std::{sync::Arc, time::Duration};

use futures::{channel::oneshot, future::join_all};
use redlock_core::{Error, Redlock, Renewal, Retry};
use redlock_testkit::{
    Anomaly, Grant, History, Network, SimClient, SimCluster, SimRandom, SimRuntime,
};

use self::outside::{Outside, UNGUARDED, named};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The first thing that must never happen.
    pub(crate) violation: Option<String>,
    pub(crate) holders: u64,
    /// How many updates the unguarded resource has lost.
    pub(crate) lost: u64,
    /// How many holders the guarded one has turned away.
    pub(crate) turned_away: u64,
    /// How many locks were refused to those who had had a greater fence before.
    pub(crate) regressions: u64,
    /// How many times a node was asked to raise its counter.
    pub(crate) raises: u64,
    pub(crate) steps: u64,
    pub(crate) hash: u64,
    pub(crate) log: Vec<String>,
}

/// What becomes of the counters of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counters {
    Kept,
    /// Nodes lose theirs, and their clocks are set back.
    Lost,
}

#[derive(Clone)]
struct Worker {
    sim: SimRuntime,
    client: SimClient,
    name: usize,
    redlock: Redlock,
    history: History,
    outside: Outside,
    ttl: Duration,
    /// How often a holder has nothing to do.
    idle: f64,
    sum: Arc<std::sync::Mutex<Outcome>>,
}

pub(crate) fn run(seed: u64, counters: Counters, verbose: bool) -> Outcome {
    let sim = SimRuntime::new(seed);
    if verbose {
        sim.keep_log();
    }
    let random = sim.random();
    let ttl = random.between(MS * 20, MS * 100);
    let cluster = SimCluster::new(&sim, [1, 3, 3, 3, 3, 5][index(random, 6)]);
    let storm = random.chance(0.3);
    cluster.network(if storm { stormy(ttl) } else { network(random, ttl) });
    let history = History::new(sim.shared());
    let outside = Outside::new(&sim, &history, ttl * 2);
    let clients: Vec<SimClient> = (0..2 + index(random, 3)).map(|_| sim.client()).collect();
    trouble::schedule(&sim, &cluster, &clients, ttl, counters);
    if storm {
        trouble::evictions(&sim, &cluster, ttl);
    }
    let sum = Arc::<std::sync::Mutex<Outcome>>::default();
    let workers = clients.into_iter().enumerate().map(|(name, client)| Worker {
        redlock: Redlock::builder()
            .nodes(cluster.links())
            .ttl(ttl)
            .node_timeout(ttl * 3 / 4)
            .retry(Retry::none())
            .renewal(Renewal::off())
            .fencing(true)
            .random(Arc::new(SimRandom::new(random.number())))
            .runtime(client.shared())
            .build()
            .expect("it is legal"),
        sim: sim.clone(),
        client,
        name,
        history: history.clone(),
        outside: outside.clone(),
        ttl,
        idle: if storm { 0.7 } else { 0.0 },
        sum: Arc::clone(&sum),
    });
    let ends: Vec<_> = workers.map(Worker::start).collect();
    sim.block_on(join_all(ends));
    let mut outcome = std::mem::take(&mut *sum.lock().expect("nobody panicked"));
    for anomaly in history.check() {
        match anomaly {
            Anomaly::LostUpdate { ref resource, .. } if resource.as_str() == UNGUARDED => {
                outcome.lost += 1;
            }
            other => outcome.violation = outcome.violation.or(Some(other.to_string())),
        }
    }
    outcome.raises = cluster.nodes().iter().map(|node| node.calls().raise).sum();
    (outcome.steps, outcome.hash, outcome.log) = (sim.steps(), sim.log_hash(), sim.log_lines());
    sim.shut_down();
    outcome
}

impl Worker {
    /// Works as a task of its process.
    fn start(self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let client = self.client.clone();
        let work = async move {
            let mut had = 0;
            for _ in 0..TRIES {
                had += u32::from(self.once().await);
                if had == ENOUGH {
                    break;
                }
            }
            drop(end);
        };
        client.spawn(work).expect("the simulation runs");
        ended
    }

    /// Says whether it had the lock.
    async fn once(&self) -> bool {
        let asked = self.sim.now();
        let lock = self.redlock.lock("r");
        let guard = match lock.try_acquire().await {
            Ok(guard) => guard,
            Err(error) => {
                if let Error::FenceRegression { .. } = error {
                    self.count(|sum| sum.regressions += 1);
                }
                self.pause().await;
                return false;
            }
        };
        let fence = guard.fencing_token().expect("it was asked for").get();
        let client = format!("client {}", self.name);
        let given = self.sim.now();
        self.sim.note(format_args!("{client} has fence {fence}"));
        self.history.grant(Grant::new(client, named("r"), fence, asked, given));
        self.count(|sum| sum.holders += 1);
        if self.random().chance(self.idle) {
            drop(guard.release().await);
            return true;
        }
        // Whether the lock is still held, nobody looks: that is the fault that fences are for.
        for _ in 0..=self.random().below(2) {
            let seen = self.outside.read(fence).await;
            if self.random().chance(0.2) {
                self.client.freeze(self.random().between(self.ttl, self.ttl * 3));
            }
            self.pause().await;
            if !self.outside.write(self.name, fence, seen).await {
                self.count(|sum| sum.turned_away += 1);
            }
        }
        match self.random().below(4) {
            // It is left to its ttl.
            0 => drop(guard.into_lease()),
            1 => drop(guard),
            _ => drop(guard.release().await),
        }
        self.pause().await;
        true
    }

    async fn pause(&self) {
        self.client.sleep(self.random().between(Duration::ZERO, self.ttl / 4)).await;
    }

    fn count(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut self.sum.lock().expect("nobody panics under this lock"));
    }

    fn random(&self) -> &SimRandom {
        self.sim.random()
    }
}

fn network(random: &SimRandom, ttl: Duration) -> Network {
    let often = |most: f64| most * random.between(Duration::ZERO, MS * 1000).as_secs_f64();
    Network {
        shortest_latency: MS / 10,
        longest_latency: ttl / 10,
        spikes: often(0.3),
        longest_spike: ttl * 2,
        lose_request: often(0.05),
        lose_reply: often(0.1),
        silence: often(1.0),
        close_early: often(0.1),
        duplicate: often(0.4),
        connections: 1 + index(random, 3),
        ..Network::default()
    }
}

/// Mostly quick, so that much happens while one message is late; and many come twice.
fn stormy(ttl: Duration) -> Network {
    Network {
        shortest_latency: ttl / 200,
        longest_latency: ttl / 50,
        spikes: 0.3,
        longest_spike: ttl / 2,
        duplicate: 1.0,
        connections: 3,
        ..Network::default()
    }
}

fn index(random: &SimRandom, below: u64) -> usize {
    usize::try_from(random.below(below)).expect("it is small")
}

const TRIES: u32 = 25;

/// How many times a client has the lock before it is content.
const ENOUGH: u32 = 4;

const MS: Duration = Duration::from_millis(1);
