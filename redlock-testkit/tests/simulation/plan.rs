//! What one seed stands for.

use std::time::Duration;

use redlock_core::{Drift, Renewal, Retry, Ttl};
use redlock_testkit::{Network, SimRandom};

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
    pub(crate) renewal: Renewal,
    /// For how much longer than its holder nodes keep a lock.
    pub(crate) grace: Duration,
    pub(crate) max_hold: Duration,
    /// For how long a lock is kept that is released earlier.
    pub(crate) hold_at_least: Duration,
    /// How often somebody waits to be told of the loss of a lock.
    pub(crate) listeners: f64,
    pub(crate) network: Network,
    /// How much faster or slower than true time the clocks of clients and nodes may run.
    pub(crate) clock_error: f64,
    /// How many things go wrong beside the network.
    pub(crate) faults: u64,
    /// Whether one of them is that a node crashes.
    pub(crate) crashes: bool,
    /// For how long they go wrong.
    pub(crate) horizon: Duration,
    /// Whether locks are taken out of their guards.
    pub(crate) leases: bool,
    pub(crate) step_time: Duration,
    pub(crate) stalls: f64,
    pub(crate) broken: Option<Broken>,
    /// Whether clients are compared with nodes, and not only with each other.
    pub(crate) trust_nodes: bool,
}

/// What the lock relies on, broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The clocks of all nodes step forward by the ttl.
    ClockStep,
    /// Nodes lose their data.
    Amnesia,
    /// The clocks of nodes run faster than the drift allowance covers.
    Drift,
    /// Nodes say that nothing is held when they are asked to release, and keep it.
    Deafness,
}

impl Plan {
    /// All that a lock must withstand.
    pub(crate) fn legal(random: &SimRandom) -> Self {
        let ttl = one_of(random, &[60, 300, 2_000, 20_000]);
        let ttl = random.between(ttl / 2, ttl);
        let validity = Drift::default().validity(Ttl::new(ttl).expect("at least 30 ms"));
        let node_timeout = match random.below(3) {
            0 => Duration::from_millis(100).min(ttl / 4),
            1 => random.between(MS, validity / 4),
            // Legal, if barely.
            _ => validity - random.between(Duration::from_nanos(1), validity / 2),
        };
        Self {
            nodes: 1 + index(random, 5),
            clients: 2 + index(random, 3),
            tasks: if random.chance(0.8) { 1 } else { 2 },
            resources: 1 + index(random, 2),
            ttl,
            node_timeout,
            retry: retry(random, ttl),
            renewal: renewal(random, ttl, validity - node_timeout),
            grace: or_none(random, ttl),
            max_hold: if random.chance(0.5) { DAY } else { random.between(ttl, ttl * 4) },
            hold_at_least: or_none(random, ttl),
            listeners: 0.5,
            network: network(random, node_timeout, ttl),
            clock_error: if random.chance(0.5) { 0.0 } else { CLOCK_ERROR },
            faults: random.below(5),
            crashes: random.chance(0.5),
            horizon: ttl * 3,
            leases: random.chance(0.3),
            step_time: one_of(random, &[0, 0, 1]) / 20,
            stalls: if random.chance(0.8) { 0.0 } else { 0.02 },
            broken: None,
            trust_nodes: true,
        }
    }

    /// The same, with everybody told of every loss, and nobody paused between a look at the clock
    /// and what follows from it.
    pub(crate) fn told(random: &SimRandom) -> Self {
        let plan = Self { listeners: 1.0, stalls: 0.0, ..Self::legal(random) };
        Self { faults: 2 + random.below(5), ..plan }
    }

    /// The same, with something broken that the lock relies on.
    pub(crate) fn broken(random: &SimRandom, broken: Broken) -> Self {
        Self { broken: Some(broken), resources: 1, ..Self::legal(random) }
    }

    /// The same, with clients compared with each other only.
    pub(crate) fn without_trust_in_nodes(self) -> Self {
        Self { trust_nodes: false, ..self }
    }

    /// Whether clean-up that has ended leaves nothing behind. Otherwise a key may live on until its
    /// ttl is over, for one of these reasons:
    ///
    /// * a request reaches its node after its call has returned, or so late that the clean-up has
    ///   given up on it;
    /// * releases fail, and the lock is so short that the pause before the next try is not worth
    ///   it;
    /// * a lock was taken out of its guard, and its lease does not know of votes that were still
    ///   outstanding, nor of extensions that came to nothing.
    pub(crate) fn clean_up_is_complete(&self) -> bool {
        let network = &self.network;
        let honest = network.close_early == 0.0 && network.duplicate == 0.0;
        let in_time = network.longest_spike.max(network.longest_latency) <= self.ttl / 4;
        let fails = self.crashes || network.lose_request > 0.0 || network.lose_reply > 0.0;
        honest && in_time && (!fails || self.ttl >= LONG_FOR_RELEASES) && !self.leases
    }

    /// The longest pause after a look at the clock.
    pub(crate) fn longest_stall(&self) -> Duration {
        if self.stalls > 0.0 { self.ttl / 4 } else { Duration::ZERO }
    }

    /// Whether calls always return: nothing is lost in silence, so nothing must be waited for until
    /// a node has forgotten it.
    pub(crate) fn calls_return(&self) -> bool {
        self.network.silence == 0.0
    }
}

fn retry(random: &SimRandom, ttl: Duration) -> Retry {
    let retry = if random.chance(0.5) {
        Retry::fixed(random.between(MS, ttl / 4))
    } else {
        Retry::exponential(ttl / 50, ttl / 2).expect("the first pause is the shorter one")
    };
    let attempts = u32::try_from(1 + random.below(6)).unwrap_or(1);
    retry.attempts(attempts).expect("at least one")
}

/// Any renewal that leaves nodes the time to answer.
fn renewal(random: &SimRandom, ttl: Duration, spare: Duration) -> Renewal {
    let shortest = (ttl / 20).min(spare / 2);
    match random.below(3) {
        0 => Renewal::off(),
        1 if spare > MS => Renewal::every(random.between(shortest, spare - NANOSECOND)),
        _ => Renewal::default(),
    }
}

/// Nothing, or some time of up to the ttl.
fn or_none(random: &SimRandom, ttl: Duration) -> Duration {
    if random.chance(0.6) { Duration::ZERO } else { random.between(Duration::ZERO, ttl) }
}

fn network(random: &SimRandom, node_timeout: Duration, ttl: Duration) -> Network {
    let often = |random: &SimRandom| if random.chance(0.5) { 0.0 } else { 0.15 };
    // Up to a little slower than the nodes are waited for.
    let longest = random.between(Duration::from_micros(20), node_timeout * 6 / 10);
    let calm = Network {
        shortest_latency: longest / one_in(random, 10),
        longest_latency: longest,
        connections: 1 + index(random, 3),
        ..Network::default()
    };
    match random.below(4) {
        0 => calm,
        1 => Network { lose_request: often(random), lose_reply: often(random), ..calm },
        2 => Network {
            lose_request: often(random),
            lose_reply: often(random),
            silence: 0.3,
            spikes: often(random),
            longest_spike: longest.max(ttl / 4),
            ..calm
        },
        _ => Network {
            lose_request: often(random),
            lose_reply: often(random),
            spikes: often(random),
            longest_spike: longest.max(ttl * 2),
            close_early: often(random),
            duplicate: often(random),
            ..calm
        },
    }
}

fn one_of(random: &SimRandom, millis: &[u32]) -> Duration {
    MS * millis[index(random, millis.len())]
}

fn one_in(random: &SimRandom, most: u64) -> u32 {
    u32::try_from(1 + random.below(most)).unwrap_or(1)
}

pub(crate) fn index(random: &SimRandom, bound: usize) -> usize {
    let index = random.below(u64::try_from(bound).unwrap_or(u64::MAX));
    usize::try_from(index).unwrap_or(0)
}

const MS: Duration = Duration::from_millis(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Several times the longest pause between two tries to release.
const LONG_FOR_RELEASES: Duration = Duration::from_millis(2_500);

/// Half of the default drift factor for the client's clock, and half for the node's.
pub(crate) const CLOCK_ERROR: f64 = 0.005;
