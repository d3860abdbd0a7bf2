use std::time::Duration;

use super::{ConfigError, Ttl};

/// The two lifetimes of a value in a cache: for how long it is as good as new, and for how much
/// longer it is kept for those who would rather have an old one than wait.
///
/// Both are kept with the value, by the cache's own clock, so that all readers agree on its
/// [`Age`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Freshness {
    fresh_for: Duration,
    stale_for: Duration,
}

/// What a value in a cache is good for: one of two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// As good as new.
    Fresh,
    /// To be replaced; good enough until it has been, for those who say so.
    Stale,
}

impl Freshness {
    /// Fresh for so long, and then stale for so long.
    ///
    /// # Errors
    ///
    /// [`ConfigError::FreshnessTooShort`] if the first is below a millisecond, which is what stores
    /// count in; [`ConfigError::FreshnessTooLong`] if both together are above a hundred years.
    pub fn new(fresh_for: Duration, stale_for: Duration) -> Result<Self, ConfigError> {
        let most = Ttl::MAX.get();
        if fresh_for < Ttl::MIN.get() {
            Err(ConfigError::FreshnessTooShort { given: fresh_for })
        } else if fresh_for.saturating_add(stale_for) > most {
            Err(ConfigError::FreshnessTooLong { fresh_for, stale_for, most })
        } else {
            Ok(Self { fresh_for, stale_for })
        }
    }

    /// For how long the value is fresh.
    #[must_use]
    pub const fn fresh_for(self) -> Duration {
        self.fresh_for
    }

    /// For how much longer it is kept.
    #[must_use]
    pub const fn stale_for(self) -> Duration {
        self.stale_for
    }

    /// For how long it is kept in all.
    #[must_use]
    pub const fn kept_for(self) -> Duration {
        self.fresh_for.saturating_add(self.stale_for)
    }
}

impl Age {
    /// The age of a value that is kept for so much longer, of which it is stale for the last
    /// `stale_for`.
    #[must_use]
    pub fn of(remaining: Duration, stale_for: Duration) -> Self {
        if remaining > stale_for { Self::Fresh } else { Self::Stale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_value_is_fresh_for_a_millisecond_at_least_and_kept_for_a_hundred_years_at_most() {
        let most = Ttl::MAX.get();
        for (fresh_for, stale_for, expected) in [
            (MS, Duration::ZERO, None),
            (most - MS, MS, None),
            (MS / 2, MS, Some(ConfigError::FreshnessTooShort { given: MS / 2 })),
            (
                most,
                MS,
                Some(ConfigError::FreshnessTooLong { fresh_for: most, stale_for: MS, most }),
            ),
            (
                MS,
                Duration::MAX,
                Some(ConfigError::FreshnessTooLong {
                    fresh_for: MS,
                    stale_for: Duration::MAX,
                    most,
                }),
            ),
        ] {
            assert_eq!(Freshness::new(fresh_for, stale_for).err(), expected);
        }
    }

    #[test]
    fn a_value_is_stale_for_the_last_part_of_its_life() {
        let kept = Freshness::new(3 * MS, 2 * MS).unwrap().kept_for();
        let age = |passed: u32| Age::of(kept - passed * MS, 2 * MS);
        assert_eq!([0, 1, 2].map(age), [Age::Fresh; 3]);
        assert_eq!([3, 4, 5].map(age), [Age::Stale; 3]);
        assert_eq!(Age::of(MS, Duration::ZERO), Age::Fresh);
        assert_eq!(Age::of(Duration::ZERO, Duration::ZERO), Age::Stale);
    }
}
