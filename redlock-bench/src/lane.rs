//! One client on one topology under one load, and what was seen of it: [`Lane`].

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use redlock_testkit::server::Server;
use tokio::runtime::{self, Runtime};

use crate::{
    Failure,
    client::{Kind, LockClient},
    commands::Counts,
    load::{Done, Load},
    monitor::{Callers, Monitor},
    samples::Samples,
    series::Series,
    topology::Topology,
};

/// A client with a runtime of its own, so that no other's background work counts as its.
pub(crate) struct Lane<'a> {
    pub(crate) kind: Kind,
    pub(crate) topology: &'a Topology,
    pub(crate) load: Load,
    pub(crate) seen: Seen,
    callers: Callers,
    client: Arc<dyn LockClient>,
    runtime: Runtime,
}

/// What the rounds have shown, one figure each.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The median of a pair, in seconds.
    pub(crate) median: Series,
    /// Pairs per second.
    pub(crate) rate: Series,
    /// Processor time of the client for a pair, in seconds.
    pub(crate) work: Series,
    /// Commands that clients sent to each server for a pair, as the servers counted.
    pub(crate) commands: Series,
    /// All pairs.
    pub(crate) pairs: Samples,
    pub(crate) failed: u64,
}

impl<'a> Lane<'a> {
    /// Connects, and finds out which commands come from it and which from its scripts.
    pub(crate) fn start(
        kind: Kind,
        topology: &'a Topology,
        load: Load,
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let runtime = runtime(threads)?;
        let client: Arc<dyn LockClient> = {
            let _inside = runtime.enter();
            kind.client(&topology.urls)?.into()
        };
        runtime.block_on(warm_up(client.as_ref()))?;
        let callers = match kind.servers(&topology.servers) {
            [] => Callers::default(),
            [first, ..] => {
                let monitor = Monitor::start(first)?;
                runtime.block_on(warm_up(client.as_ref()))?;
                monitor.stop()?
            }
        };
        Ok(Self { kind, topology, load, seen: Seen::default(), callers, client, runtime })
    }

    pub(crate) fn round(&mut self) -> Result<(), Failure> {
        let servers = self.kind.servers(&self.topology.servers);
        let (load, client) = (self.load, Arc::clone(&self.client));
        let (done, counts) = counted(servers, || {
            let task = self.runtime.spawn(async move { load.run(&client).await });
            Ok(self.runtime.block_on(task)??)
        })?;
        self.seen.add(done, load.window, counts.sent(&self.callers) / servers.len().max(1) as f64);
        Ok(())
    }

    /// As a row of a table begins.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.topology.name(), self.kind.name())
    }
}

impl Seen {
    fn add(&mut self, done: Done, window: Duration, commands: f64) {
        let Done { pairs, all, failed, work } = done;
        self.rate.push(pairs.len() as f64 / window.as_secs_f64());
        self.work.push(work.as_secs_f64() / all.max(1) as f64);
        self.commands.push(commands / all.max(1) as f64);
        self.failed += failed;
        let mut round = Samples::default();
        round.round(pairs.clone());
        self.median.push(round.summary().median.as_secs_f64());
        self.pairs.round(pairs);
    }
}

/// So many rounds, in which all take turns; each begins with another one, so that nobody always
/// comes behind the same neighbour.
pub(crate) fn take_turns(lanes: &mut [Lane<'_>], rounds: usize) -> Result<(), Failure> {
    for round in 0..rounds {
        let first = round * STEP % lanes.len().max(1);
        let (before, from) = lanes.split_at_mut(first);
        for lane in from.iter_mut().chain(before) {
            lane.round().map_err(|failure| format!("{}: {failure}", lane.name()))?;
        }
    }
    Ok(())
}

/// What these servers were sent meanwhile.
pub(crate) fn counted<T>(
    servers: &[Server],
    what: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Counts), Failure> {
    let (first, before) = (Counts::of(servers)?, Counts::of(servers)?);
    let reading = before.since(&first, &Counts::default());
    let done = what()?;
    Ok((done, Counts::of(servers)?.since(&before, &reading)))
}

pub(crate) fn runtime(threads: NonZeroUsize) -> Result<Runtime, Failure> {
    let mut builder = match threads.get() {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(threads.get()).enable_all().build()?)
}

async fn warm_up(client: &dyn LockClient) -> Result<(), Failure> {
    for _ in 0..WARM_UP {
        client.acquire("warm-up").await?.release().await;
    }
    client.settled().await;
    Ok(())
}

/// Of two rounds' first lanes, the distance: with none of the usual numbers of lanes a factor in common.
const STEP: usize = 7;
/// So many pairs that connections are made, scripts loaded and caches warm.
const WARM_UP: usize = 20;
