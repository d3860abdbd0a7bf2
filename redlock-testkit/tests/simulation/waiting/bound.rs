//! How long a process that waits may do nothing: what follows from the rules of the wait
//! (`redlock_core::proto::Wait`) and the worst latency that the plan draws.

use std::time::Duration;

use redlock_core::Moment;

use super::plan::{MS, Plan, SECOND, Word};

/// The worst that can lie between two attempts of a process while nobody holds the resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// What everything takes that does not grow.
    base: Duration,
    /// The most that a process may have measured as a round trip.
    pulse: Duration,
    /// What it takes to subscribe.
    round_trip: Duration,
    /// What word of the release comes to. Otherwise the end of the holder's time counts.
    pub(super) word: Word,
}

impl Bound {
    /// While things go as planned.
    pub(super) fn of(plan: &Plan) -> Self {
        match plan.word {
            Word::Comes => Self::told(plan, plan.network.longest_latency, plan.node_timeout),
            Word::MayBeLost => Self::untold(plan),
        }
    }

    /// When all is well.
    pub(super) fn healed(plan: &Plan) -> Self {
        Self::told(plan, redlock_testkit::Network::default().longest_latency, plan.node_timeout)
    }

    /// From the release, or the last attempt of anybody, to the next attempt of anybody.
    ///
    /// The release goes to the nodes and word of it comes back, each in one latency; an attempt that
    /// is under way at that moment asks and cleans up, and if its process did not listen before, it
    /// subscribes; a process whose turn it is by a quiet hand-over gets it with the answers of a
    /// quorum. Then come a round trip in which the other nodes are released, and a random one for
    /// each other process that is told, or the courtesy.
    fn told(plan: &Plan, latency: Duration, node_timeout: Duration) -> Self {
        let round_trip = latency * 2;
        let pulse = match plan.word {
            Word::Comes => round_trip.max(MS),
            // What was measured when nodes were slow counts for a while.
            Word::MayBeLost => node_timeout.max(MS),
        };
        let processes = u32::try_from(plan.clients).unwrap_or(u32::MAX);
        // Those who have gone may be counted until the node knows.
        let told = round_trip + pulse * (1 + processes * 2);
        let under_way = round_trip * 2 + round_trip + round_trip;
        let courtesy = COURTESY.min(pulse * (processes * 2 + 2));
        Self { base: told + under_way + courtesy + MS * 2, pulse, round_trip, word: Word::Comes }
    }

    /// From the end of the holder's time, or its own last attempt, to the next attempt of a
    /// process.
    ///
    /// The attempt that is under way asks and cleans up, a subscription may not be answered, nor the
    /// release of a holder in this process: a node timeout each. What is left of a key is told by
    /// the node in whole milliseconds and waited for by the clock of the process, a latency later.
    /// When too few nodes answer, the pauses of the policy count.
    fn untold(plan: &Plan) -> Self {
        let latency = plan.network.longest_latency.max(plan.network.longest_spike);
        let clocks = plan.ttl.mul_f64(0.02);
        let base = plan.node_timeout * 4 + latency + clocks + plan.longest_pause + COURTESY;
        let pulse = plan.node_timeout;
        // Nobody counts on a stream.
        let round_trip = Duration::ZERO;
        Self { base: base + MS * 4, pulse, round_trip, word: Word::MayBeLost }
    }

    /// The bound after so many attempts in vain, since after split votes pauses double; and after so
    /// many cuts.
    pub(super) fn after(&self, attempts: u32, cuts: &Cuts) -> Duration {
        let split = (self.pulse * 4).saturating_mul(1 << attempts.min(16)).min(SPLIT);
        let again = if self.word == Word::Comes { cuts.pause() } else { Duration::ZERO };
        let bound = self.base + if attempts > 0 { split } else { Duration::ZERO };
        let bound = bound + if again.is_zero() { again } else { again + self.round_trip };
        bound + bound / 50
    }
}

/// How often streams have been cut in a row.
///
/// One that was cut is there again after twenty milliseconds and a round trip; one that is cut again
/// before it has stood for a second, after twice as long each time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cuts {
    count: u32,
    last: Moment,
}

impl Cuts {
    pub(super) fn enter(&mut self, now: Moment) {
        // It was made anew at some moment in the pause.
        let stood = now.since(self.last) > self.pause() + STANDS;
        self.count = if stood { 1 } else { self.count + 1 };
        self.last = now;
    }

    fn pause(&self) -> Duration {
        self.count.checked_sub(1).map_or(Duration::ZERO, |more| RECONNECTED * (1 << more.min(16)))
    }
}

/// The most that a process steps back for others, that it pauses after split votes, and until it
/// subscribes again for the first time.
const COURTESY: Duration = Duration::from_millis(50);
const SPLIT: Duration = Duration::from_millis(500);
const RECONNECTED: Duration = Duration::from_millis(20);
/// A stream that has stood for so long was none that fails; and a latency, for it to be made in.
const STANDS: Duration = Duration::from_millis(1100);
/// However many contenders there are, one has come first by then.
pub(super) const MOST_ATTEMPTS: u32 = 100;
pub(super) const LONG: Duration = SECOND.saturating_mul(300);
