use std::time::Duration;

use super::ConfigError;

/// How long nodes are asked to keep a lock: at least a millisecond, at most a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(Duration);

impl Ttl {
    /// The shortest lifetime: what stores count in.
    pub const MIN: Self = Self(Duration::from_millis(1));

    /// The longest lifetime: far within what every store can add to its clock.
    pub const MAX: Self = Self(Duration::from_secs(100 * 365 * 24 * 60 * 60));

    /// This lifetime.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TtlTooShort`] below a millisecond, [`ConfigError::TtlTooLong`] above a
    /// hundred years.
    pub fn new(ttl: Duration) -> Result<Self, ConfigError> {
        if ttl < Self::MIN.0 {
            Err(ConfigError::TtlTooShort { given: ttl })
        } else if ttl > Self::MAX.0 {
            Err(ConfigError::TtlTooLong { given: ttl, most: Self::MAX.0 })
        } else {
            Ok(Self(ttl))
        }
    }

    /// The lifetime asked for.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The whole milliseconds that a node must keep the lock: rounded up, so that a node never
    /// forgets before the lifetime asked for is over.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        // The longest ttl has 3.2e12 milliseconds, well within 64 bits.
        u64::try_from(self.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_in_the_error() {
        let short = Ttl::new(Duration::from_micros(999)).unwrap_err();
        assert_eq!(
            short.to_string(),
            "the ttl 999µs is below a millisecond, the shortest that nodes can keep"
        );
        let long = Ttl::new(Duration::MAX).unwrap_err();
        assert!(matches!(long, ConfigError::TtlTooLong { .. }));
        assert!(Ttl::new(Ttl::MAX.get()).is_ok());
        assert!(Ttl::new(Ttl::MAX.get() + Duration::from_nanos(1)).is_err());
        assert!(Ttl::new(Ttl::MIN.get()).is_ok());
        assert!(Ttl::new(Duration::ZERO).is_err());
    }

    #[test]
    fn nodes_keep_at_least_what_was_asked() {
        for (nanos, millis) in [(1_000_000, 1), (1_000_001, 2), (1_999_999, 2), (2_000_000, 2)] {
            assert_eq!(Ttl::new(Duration::from_nanos(nanos)).unwrap().as_millis(), millis);
        }
        assert_eq!(Ttl::MAX.as_millis(), 3_153_600_000_000);
    }
}
