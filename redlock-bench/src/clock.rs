//! Time that all processes of this machine agree on.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A reading of the monotonic clock of the system, which is one clock for all its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Instant(u64);

impl Instant {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        // Counted from the start of the machine, so neither part is negative.
        Self(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs() as u64)
    }

    pub(crate) fn after(self, by: Duration) -> Self {
        Self(self.0 + nanos(by))
    }

    /// How long ago `earlier` was; nothing if it is later.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    #[cfg(test)]
    pub(crate) const fn at_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }
}

/// Whole nanoseconds, of which 64 bits last for centuries.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
