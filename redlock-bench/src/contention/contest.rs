//! One client on one topology: [`Entry`], and its rounds.

use std::{num::NonZeroUsize, time::Duration};

use super::fairness::Fairness;
use crate::{
    Failure,
    client::Kind,
    clock::Instant,
    commands::Counts,
    lane::counted,
    monitor::{Callers, Monitor},
    topology::Topology,
    worker::{Contest, Order, Worker},
};

/// What all compete under.
pub(super) struct Terms {
    pub(super) processes: usize,
    pub(super) tasks: usize,
    pub(super) hold: Duration,
    pub(super) length: Duration,
    pub(super) threads: NonZeroUsize,
}

/// A client on a topology, and what was seen of it.
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    pub(super) topology: &'a Topology,
    /// Commands that clients sent for an acquire and a release without contention, per server.
    pub(super) per_pair: f64,
    /// Of each round: commands that clients sent for each acquisition, per server.
    pub(super) per_acquisition: Vec<f64>,
    pub(super) counts: Vec<Counts>,
    pub(super) rounds: Vec<Fairness>,
    callers: Callers,
}

impl<'a> Entry<'a> {
    /// Finds out who calls which command, and how many an uncontended pair takes.
    pub(super) fn new(kind: Kind, topology: &'a Topology, terms: &Terms) -> Result<Self, Failure> {
        let mut workers = start(kind, topology, terms)?;
        let monitor = Monitor::start(&topology.servers[0])?;
        compete(&mut workers, terms, AUDIT, format!("{kind:?} heard"))?;
        let callers = monitor.stop()?;
        if callers.sent() == 0 {
            return Err("a server was seen to carry out nothing".into());
        }
        drop(workers);

        let mut alone = Worker::start(kind, &topology.urls, terms.threads)?;
        let resource = "uncontended".to_owned();
        let (_, counts) = counted(&topology.servers, || {
            alone.tell(&Order::Pairs { resource, count: PAIRS, pause: Duration::ZERO })?;
            alone.pairs()
        })?;
        let servers = topology.servers.len() as f64;
        Ok(Self {
            kind,
            topology,
            per_pair: counts.sent(&callers) / PAIRS as f64 / servers,
            per_acquisition: Vec::new(),
            counts: Vec::new(),
            rounds: Vec::new(),
            callers,
        })
    }

    /// All compete once, in processes of their own.
    pub(super) fn round(&mut self, terms: &Terms) -> Result<(), Failure> {
        let mut workers = start(self.kind, self.topology, terms)?;
        let resource = format!("{:?} {}", self.kind, self.rounds.len());
        let (seen, counts) = counted(&self.topology.servers, || {
            compete(&mut workers, terms, terms.length, resource)
        })?;
        let servers = self.topology.servers.len() as f64;
        let acquisitions = seen.acquisitions().max(1) as f64;
        self.per_acquisition.push(counts.sent(&self.callers) / acquisitions / servers);
        self.counts.push(counts);
        self.rounds.push(seen);
        Ok(())
    }
}

fn start(kind: Kind, topology: &Topology, terms: &Terms) -> Result<Vec<Worker>, Failure> {
    (0..terms.processes).map(|_| Worker::start(kind, &topology.urls, terms.threads)).collect()
}

/// For a resource that nobody has competed for: there are clients that leave keys behind when they
/// give up waiting.
fn compete(
    workers: &mut [Worker],
    terms: &Terms,
    length: Duration,
    resource: String,
) -> Result<Fairness, Failure> {
    let from = Instant::now().after(START);
    let contest =
        Contest { resource, tasks: terms.tasks, hold: terms.hold, from, until: from.after(length) };
    for worker in &mut *workers {
        worker.tell(&Order::Contend(contest.clone()))?;
    }
    let turns = workers.iter_mut().map(Worker::turns).collect::<Result<Vec<_>, _>>()?;
    Ok(Fairness::of(&turns, contest.until, length))
}

const PAIRS: usize = 200;
/// So long competitors are listened to, to learn who calls which command.
const AUDIT: Duration = Duration::from_millis(300);
/// By then all have heard of the start.
const START: Duration = Duration::from_millis(50);
