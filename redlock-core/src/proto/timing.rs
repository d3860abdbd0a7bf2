use std::time::Duration;

use super::{
    Drift, Moment, Ttl,
    mutant::{self, Mutant},
};

/// How the times of a lock belong together: what of a ttl its holder trusts, what nodes are asked
/// for, and how long it may be held in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    drift: Drift,
    grace: Duration,
    max_hold: Duration,
}

impl Timing {
    /// Without grace, and without an end but that of validity.
    #[must_use]
    pub const fn new(drift: Drift) -> Self {
        Self { drift, grace: Duration::ZERO, max_hold: Duration::MAX }
    }

    /// Nodes keep the lock for this much longer than its holder believes in it.
    ///
    /// What a holder does within that time after he was told of the loss does not overlap with the
    /// next holder; and a server's clock may gain as much without harm (SAFETY, theorem 1,
    /// corollary).
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// However often it is extended, the lock ends this long after it was asked for.
    #[must_use]
    pub const fn max_hold(mut self, max_hold: Duration) -> Self {
        self.max_hold = max_hold;
        self
    }

    /// What is left of `ttl` for the holder to trust. The grace is not part of it.
    #[must_use]
    pub fn validity(self, ttl: Ttl) -> Duration {
        let validity = self.drift.validity(ttl);
        if mutant::is(Mutant::GraceTrusted) {
            return validity.saturating_add(self.grace);
        }
        validity
    }

    /// What nodes are asked for: the ttl and the grace, or the longest there is.
    #[must_use]
    pub fn lifetime(self, ttl: Ttl) -> Ttl {
        Ttl::new(ttl.get().saturating_add(self.grace)).unwrap_or(Ttl::MAX)
    }

    /// The last moment that a lock asked for at `started` may be held.
    pub(super) fn limit(self, started: Moment) -> Moment {
        if mutant::is(Mutant::MaxHoldIgnored) {
            return Moment::at(Duration::MAX);
        }
        started.after(self.max_hold)
    }

    /// A key that was set or extended by a call that reached its node in time, asked at `started`,
    /// is gone by then: its lifetime, and as much again for a call that took long.
    pub(super) fn forgotten(self, started: Moment, ttl: Ttl) -> Moment {
        let lifetime = self.lifetime(ttl);
        started.after(lifetime.get()).after(lifetime.get()).after(self.drift.allowance(lifetime))
    }

    /// By how much a node's clock may be ahead of its time without harm: what the holder leaves of
    /// the lifetime that the node was asked for.
    #[must_use]
    pub fn slack(self, ttl: Ttl) -> Duration {
        self.lifetime(ttl).get().saturating_sub(self.drift.validity(ttl))
    }

    /// The longest that a node keeps what it is asked for now, by the clock of who asks.
    #[must_use]
    pub fn kept(self, ttl: Ttl) -> Duration {
        let lifetime = self.lifetime(ttl);
        lifetime.get().saturating_add(self.drift.allowance(lifetime))
    }
}

impl From<Drift> for Timing {
    fn from(drift: Drift) -> Self {
        Self::new(drift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_asked_for_the_grace_and_holders_do_not_trust_it() {
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        let plain = Timing::from(Drift::default());
        let graceful = plain.grace(Duration::from_millis(500));
        assert_eq!(plain.lifetime(ttl), ttl);
        assert_eq!(graceful.lifetime(ttl).get(), Duration::from_millis(1500));
        assert_eq!(graceful.validity(ttl), plain.validity(ttl));
        assert_eq!(graceful.kept(ttl), Duration::from_millis(1500 + 15 + 2));
        let start = Moment::ORIGIN;
        assert_eq!(graceful.forgotten(start, ttl), start.after(Duration::from_millis(3017)));
        assert_eq!(plain.grace(Duration::MAX).lifetime(ttl), Ttl::MAX);
    }

    #[test]
    fn a_hold_has_an_end_only_if_it_was_given_one() {
        let timing = Timing::from(Drift::default());
        let start = Moment::at(Duration::from_secs(5));
        assert_eq!(timing.limit(start), Moment::at(Duration::MAX));
        let hour = Duration::from_secs(3600);
        assert_eq!(timing.max_hold(hour).limit(start), start.after(hour));
    }
}
