use std::time::Duration;

/// A reading of the clock that decides about locks: nanoseconds since an arbitrary origin.
///
/// The origin belongs to the runtime that read it; two moments compare only if they come from one
/// clock. Arithmetic saturates, so a moment can be late but never wraps round to the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// The moment that lies `since_origin` after the origin of its clock.
    ///
    /// What does not fit (584 years) becomes the last moment there is.
    #[must_use]
    pub fn at(since_origin: Duration) -> Self {
        Self(nanos(since_origin))
    }

    /// How far from the origin of its clock this moment lies.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The moment `by` later, or the last moment there is.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// The moment `by` earlier, or the origin.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let last = Moment::at(Duration::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(Moment::ORIGIN.before(Duration::from_secs(1)), Moment::ORIGIN);
        assert_eq!(Moment::ORIGIN.since(last), Duration::ZERO);
    }

    #[test]
    fn after_and_since_are_inverse() {
        let start = Moment::at(Duration::from_nanos(17));
        let end = start.after(Duration::from_millis(5));
        assert_eq!(end.since(start), Duration::from_millis(5));
        assert_eq!(end.before(Duration::from_millis(5)), start);
        assert_eq!(end.since_origin(), Duration::new(0, 5_000_017));
    }
}
