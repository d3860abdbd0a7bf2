//! One client on one topology under one load, and what was seen of it: [`Lane`].

use std::{num::NonZeroUsize, time::Duration};

use redlock_testkit::server::Server;

use crate::{
    Failure,
    client::Kind,
    commands::Counts,
    load::{Done, Load},
    monitor::{Callers, Monitor},
    samples::{Samples, quantile},
    series::Series,
    session::Session,
    topology::Topology,
    usage::servers_worked,
};

/// A client, and what the rounds have shown of it.
pub(crate) struct Lane<'a> {
    pub(crate) kind: Kind,
    pub(crate) topology: &'a Topology,
    pub(crate) load: Load,
    pub(crate) seen: Seen,
    /// Those that count what they are sent.
    servers: &'a [Server],
    callers: Callers,
    session: Session,
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
    /// That of all servers together; not a number if none of them was asked.
    pub(crate) servers_work: Series,
    /// Commands that clients sent to each server for a pair, as the servers counted; not a number
    /// if none of them was asked.
    pub(crate) commands: Series,
    /// All pairs.
    pub(crate) pairs: Samples,
    pub(crate) failed: u64,
    /// Tasks that had not ended long after a round.
    pub(crate) stuck: usize,
    hopeless: bool,
}

impl<'a> Lane<'a> {
    /// Connects, and finds out which commands come from it and which from its scripts.
    pub(crate) fn start(
        kind: Kind,
        topology: &'a Topology,
        load: Load,
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let session = Session::start(kind, &topology.urls, threads)?;
        let servers = kind.servers(&topology.servers);
        // All of them: one that is always the last to answer may be sent less than others.
        let monitors = servers.iter().map(Monitor::start).collect::<Result<Vec<_>, _>>()?;
        session.pairs(HEARD)?;
        let (mut callers, mut busy) = (Callers::default(), 0);
        for monitor in monitors {
            let of_one = monitor.stop()?;
            busy += usize::from(of_one.sent() > 0);
            callers = callers.and(&of_one);
        }
        // Nobody has waited for more than a majority of them.
        if !servers.is_empty() && busy < servers.len() / 2 + 1 {
            return Err("too few servers were seen to carry out anything".into());
        }
        Ok(Self { kind, topology, load, seen: Seen::default(), servers, callers, session })
    }

    /// From now on the servers are not asked what they are sent: some may not answer.
    pub(crate) const fn without_counts(mut self) -> Self {
        self.servers = &[];
        self
    }

    /// Whose tasks all were stuck in a round that saw no pair is left alone from then on.
    pub(crate) fn round(&mut self) -> Result<(), Failure> {
        if self.seen.hopeless {
            return Ok(());
        }
        let before = servers_worked(self.servers)?;
        let (done, counts) = counted(self.servers, || self.session.run(self.load))?;
        let work = servers_worked(self.servers)?.saturating_sub(before).as_secs_f64();
        let commands = counts.sent(&self.callers) / self.servers.len() as f64;
        self.seen.add(done, commands, if self.servers.is_empty() { f64::NAN } else { work });
        Ok(())
    }

    /// As a row of a table begins.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.topology.name(), self.kind.name())
    }
}

impl Seen {
    fn add(&mut self, done: Done, commands: f64, servers_work: f64) {
        let Done { pairs, rate, all, failed, stuck, work, .. } = done;
        self.rate.push(rate);
        self.work.push(work.as_secs_f64() / all.max(1) as f64);
        self.servers_work.push(servers_work / all.max(1) as f64);
        self.commands.push(commands / all.max(1) as f64);
        self.failed += failed;
        self.stuck += stuck;
        self.hopeless |= stuck > 0 && all == 0;
        self.median.push(median(&pairs));
        self.pairs.round(pairs);
    }
}

/// In seconds; not a number if there are none.
pub(crate) fn median(pairs: &[Duration]) -> f64 {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    if sorted.is_empty() { f64::NAN } else { quantile(&sorted, 0.5).as_secs_f64() }
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

/// Of two rounds' first lanes, the distance: with none of the usual numbers of lanes a factor in
/// common.
const STEP: usize = 7;
/// So many pairs are listened to, to learn what clients send and what scripts call.
const HEARD: usize = 20;
