//! What one seed of waiters stands for.

use std::time::Duration;

use redlock_core::Retry;
use redlock_testkit::{Network, SimRandom};

use crate::plan::{CLOCK_ERROR, index};

/// The settings of one run, all drawn from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// How many tasks each client has, which share its redlock.
    pub(crate) tasks: usize,
    pub(crate) resources: usize,
    pub(crate) ttl: Duration,
    pub(crate) node_timeout: Duration,
    pub(crate) retry: Retry,
    /// How long the retry policy pauses at most.
    pub(crate) longest_pause: Duration,
    pub(crate) handovers: u32,
    pub(crate) network: Network,
    /// How much faster or slower than true time clocks run.
    pub(crate) clock_error: f64,
    pub(crate) word: Word,
    /// How many streams are cut, and how many other things go wrong.
    pub(crate) cuts: u64,
    pub(crate) faults: u64,
    /// For how long they go wrong.
    pub(crate) horizon: Duration,
    /// How many processes give up before they are told.
    pub(crate) impatience: f64,
}

/// Whether those who wait can rely on being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Requests, replies and nodes fail nowhere, and word is lost only with its connection.
    Comes,
    /// Anything may be lost, and anybody may fail.
    MayBeLost,
}

impl Plan {
    pub(crate) fn draw(random: &SimRandom) -> Self {
        let word = if random.chance(0.5) { Word::Comes } else { Word::MayBeLost };
        let ttl = match word {
            // The end of a ttl, and the look that is taken every five seconds, are to be far away.
            Word::Comes => random.between(SECOND * 10, SECOND * 30),
            Word::MayBeLost => random.between(MS * 200, SECOND * 10),
        };
        let longest = random.between(MS / 50, MS * 5);
        let node_timeout = random.between(longest * 4 + MS * 10, ttl / 4);
        let longest_pause = random.between(MS * 20, ttl / 2);
        let retry = if random.chance(0.5) {
            Retry::fixed(longest_pause)
        } else {
            Retry::exponential(longest_pause / 20, longest_pause).expect("the shorter one first")
        };
        let rough = word == Word::MayBeLost;
        Self {
            nodes: 1 + index(random, 5),
            clients: 2 + index(random, 3),
            tasks: 1 + index(random, 3),
            resources: if random.chance(0.7) { 1 } else { 2 },
            ttl,
            node_timeout,
            retry,
            longest_pause,
            handovers: u32::try_from(random.below(4) * 2).unwrap_or(0),
            network: if rough {
                rough_network(random, longest, ttl)
            } else {
                calm(random, longest)
            },
            clock_error: if random.chance(0.5) { 0.0 } else { CLOCK_ERROR },
            word,
            cuts: if random.chance(0.5) { 0 } else { random.below(8) },
            faults: if rough { random.below(5) } else { 0 },
            horizon: if rough { ttl } else { longest * 400 },
            impatience: if random.chance(0.3) { 0.0 } else { 0.3 },
        }
    }

    pub(crate) fn quorum(&self) -> usize {
        self.nodes / 2 + 1
    }
}

fn calm(random: &SimRandom, longest: Duration) -> Network {
    Network {
        shortest_latency: longest / u32::try_from(1 + random.below(10)).unwrap_or(1),
        longest_latency: longest,
        connections: 1 + index(random, 3),
        duplicate_notice: often(random),
        ..Network::default()
    }
}

fn rough_network(random: &SimRandom, longest: Duration, ttl: Duration) -> Network {
    Network {
        lose_notice: [0.0, 0.3, 1.0][index(random, 3)],
        end_streams: often(random),
        lose_request: often(random) / 2.0,
        lose_reply: often(random) / 2.0,
        silence: often(random),
        spikes: often(random),
        longest_spike: longest.max(ttl / 8),
        ..calm(random, longest)
    }
}

fn often(random: &SimRandom) -> f64 {
    if random.chance(0.5) { 0.0 } else { 0.2 }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MS: Duration = Duration::from_millis(1);
