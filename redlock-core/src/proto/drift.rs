use std::time::Duration;

use super::{
    ConfigError, Ttl,
    mutant::{self, Mutant},
};

/// What is taken from a ttl because clocks differ: a part of it, and a constant.
///
/// The part covers the rates of the client's clock and of the servers' clocks while the lock is
/// held; the constant covers their granularity. Validity is `ttl − ⌈ttl·factor⌉ − constant`, in
/// whole nanoseconds, rounded against the holder. The default, 1 % and 2 ms, is that of the Redis
/// documentation: ample for crystals and for `ntpd`, *not* for a chrony that may slew by 8 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Drift {
    /// Parts per billion: a factor that is `Eq` and `Hash`.
    ppb: u32,
    constant: Duration,
}

impl Drift {
    /// The allowance that takes `factor` of the ttl, rounded up to parts per billion, and
    /// `constant`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::DriftFactor`] unless `0 ≤ factor < 1`.
    pub fn new(factor: f64, constant: Duration) -> Result<Self, ConfigError> {
        let ppb = (factor * BILLION).ceil();
        if !(0.0..BILLION).contains(&ppb) || factor < 0.0 {
            return Err(ConfigError::DriftFactor { given: factor.to_string() });
        }
        // In range by the check above, and whole.
        Ok(Self { ppb: ppb as u32, constant })
    }

    /// What is taken from `ttl`.
    #[must_use]
    pub fn allowance(self, ttl: Ttl) -> Duration {
        self.of(ttl.get())
    }

    /// What is left of `ttl` for the holder to trust; zero if nothing is.
    #[must_use]
    pub fn validity(self, ttl: Ttl) -> Duration {
        if mutant::is(Mutant::DriftIgnored) {
            return ttl.get();
        }
        self.within(ttl.get())
    }

    /// What is left, for certain, of a time that another clock says is left; zero if nothing is.
    #[must_use]
    pub fn within(self, time: Duration) -> Duration {
        time.saturating_sub(self.of(time))
    }

    fn of(self, time: Duration) -> Duration {
        let part = time.as_nanos().saturating_mul(self.ppb.into()).div_ceil(1_000_000_000);
        // A part below one of a hundred years is within 64 bits of nanoseconds.
        Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX)).saturating_add(self.constant)
    }
}

impl Default for Drift {
    fn default() -> Self {
        Self { ppb: 10_000_000, constant: Duration::from_millis(2) }
    }
}

const BILLION: f64 = 1e9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_is_one_percent_and_two_milliseconds() {
        assert_eq!(Drift::default(), Drift::new(0.01, Duration::from_millis(2)).unwrap());
        let ttl = Ttl::new(Duration::from_secs(10)).unwrap();
        assert_eq!(Drift::default().validity(ttl), Duration::from_millis(9_898));
    }

    #[test]
    fn a_factor_outside_of_zero_to_one_is_refused() {
        for factor in [-0.1, -1e-12, 1.0, 1.5, 0.999_999_999_9, f64::NAN, f64::INFINITY] {
            let error = Drift::new(factor, Duration::ZERO).unwrap_err();
            assert_eq!(error, ConfigError::DriftFactor { given: factor.to_string() });
        }
        assert!(Drift::new(0.0, Duration::ZERO).is_ok());
        assert!(Drift::new(0.999, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_ttl_within_the_allowance_leaves_nothing() {
        let drift = Drift::default();
        assert_eq!(drift.validity(Ttl::new(Duration::from_millis(2)).unwrap()), Duration::ZERO);
        let huge = Drift::new(0.5, Duration::MAX).unwrap();
        assert_eq!(huge.validity(Ttl::MAX), Duration::ZERO);
    }

    proptest! {
        /// Theorem 1 needs `validity ≤ ttl / (1 + factor)`; checked in exact integers.
        #[test]
        fn validity_is_what_the_proof_needs(nanos in 1_000_000_u64..30 * 86_400 * 1_000_000_000, ppb in 0_u32..1_000_000_000) {
            let ttl = Ttl::new(Duration::from_nanos(nanos)).unwrap();
            let drift = Drift { ppb, constant: Duration::from_millis(2) };
            let validity = drift.validity(ttl).as_nanos();
            let (ttl, ppb, billion) = (u128::from(nanos), u128::from(ppb), 1_000_000_000_u128);
            prop_assert!(validity * (billion + ppb) <= ttl * billion);
            let exact = (ttl * (billion - ppb) / billion).saturating_sub(2_000_000);
            prop_assert_eq!(validity, exact);
        }
    }
}
