use std::time::Duration;

use redlock_core::RestartPolicy;

use crate::Durability;

/// How a node votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long the counter of a resource is kept that nobody takes: a week, unless set.
    ///
    /// One that is gone begins anew from the server's clock, which is larger unless that was set
    /// back, or is behind those of the other servers, by longer than the counter was away. So this
    /// bounds how far clocks may be set back, and apart.
    pub counter_retention: Duration,
    /// What a node does after its server has restarted.
    pub restart: RestartPolicy,
    /// What a vote must have been through to count, if anything.
    pub durability: Option<Durability>,
}

impl Terms {
    /// How long a counter is kept, in milliseconds: at least one, for a script takes no less.
    pub(super) fn retention(self) -> u64 {
        let millis = self.counter_retention.as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).clamp(1, LONGEST_RETENTION)
    }
}

impl Default for Terms {
    fn default() -> Self {
        let counter_retention = Duration::from_secs(7 * 24 * 3600);
        Self { counter_retention, restart: RestartPolicy::Trust, durability: None }
    }
}

/// A hundred years in milliseconds: sums with a ttl stay exact.
const LONGEST_RETENTION: u64 = 100 * 366 * 24 * 3600 * 1000;
