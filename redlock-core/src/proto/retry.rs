use std::time::Duration;

use super::ConfigError;

/// When to try again, and how often.
///
/// The pause before the next attempt comes from the [`Backoff`], less a random part of it, the
/// jitter: contenders that failed together must not try again together, or none of them gets a
/// majority. No pause is shorter than a millisecond, and there is none after the last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Retry {
    /// `None`: without end.
    attempts: Option<u32>,
    backoff: Backoff,
    /// Which part of the pause is random, in parts per thousand.
    jitter: u16,
}

/// How the pauses between attempts grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backoff {
    /// Each pause is as long as the others.
    Fixed(Duration),
    /// Each pause is twice the one before, up to a limit.
    Exponential {
        /// The first pause.
        first: Duration,
        /// The longest pause.
        longest: Duration,
    },
}

impl Retry {
    /// One attempt and no more.
    #[must_use]
    pub const fn none() -> Self {
        Self { attempts: Some(1), backoff: Backoff::Fixed(Duration::ZERO), jitter: 0 }
    }

    /// Ten attempts at even distances, half of each distance random.
    #[must_use]
    pub const fn fixed(pause: Duration) -> Self {
        Self { attempts: Some(10), backoff: Backoff::Fixed(pause), jitter: 500 }
    }

    /// Ten attempts at distances that double from `first` up to `longest`, half of each random.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Backoff`] if `first` is longer than `longest`.
    pub fn exponential(first: Duration, longest: Duration) -> Result<Self, ConfigError> {
        if first > longest {
            return Err(ConfigError::Backoff { first, longest });
        }
        Ok(Self {
            attempts: Some(10),
            backoff: Backoff::Exponential { first, longest },
            jitter: 500,
        })
    }

    /// The same, with this many attempts in all.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAttempts`] for none at all.
    pub const fn attempts(self, attempts: u32) -> Result<Self, ConfigError> {
        if attempts == 0 {
            return Err(ConfigError::NoAttempts);
        }
        Ok(Self { attempts: Some(attempts), ..self })
    }

    /// The same, without an end.
    #[must_use]
    pub const fn unlimited(self) -> Self {
        Self { attempts: None, ..self }
    }

    /// The same, with this part of each pause random: 0 for none of it, 1 for all of it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Jitter`] for a part that is not between 0 and 1.
    pub fn jitter(self, part: f64) -> Result<Self, ConfigError> {
        if !(0.0..=1.0).contains(&part) {
            return Err(ConfigError::Jitter { given: part.to_string() });
        }
        // Between 0 and 1000 by the check above, and whole.
        Ok(Self { jitter: (part * 1000.0).round() as u16, ..self })
    }

    /// Whether there is but one attempt.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        matches!(self.attempts, Some(1))
    }

    /// The pause after the attempt with this number, the first being 1; `None` if it was the last.
    ///
    /// `random` decides how much of the jitter is taken off.
    #[must_use]
    pub fn pause(&self, attempt: u32, random: u32) -> Option<Duration> {
        if self.attempts.is_some_and(|attempts| attempt >= attempts) {
            return None;
        }
        let full = self.backoff.pause(attempt);
        // The jitter is at most a thousand thousandths, so what it takes off is at most `full`; a
        // pause that does not fit into 64 bits of nanoseconds will not end anyhow.
        let nanos = u64::try_from(full.as_nanos()).unwrap_or(u64::MAX);
        let most = u128::from(nanos).saturating_mul(self.jitter.into()) / 1000;
        let off = most.saturating_mul(random.into()) / MOST_RANDOM;
        Some(full.saturating_sub(Duration::from_nanos(u64::try_from(off).unwrap_or(u64::MAX))))
    }
}

impl Default for Retry {
    /// Ten attempts, 50 ms to 1 s apart, half of it random.
    fn default() -> Self {
        let backoff = Backoff::Exponential {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(1),
        };
        Self { attempts: Some(10), backoff, jitter: 500 }
    }
}

impl Backoff {
    fn pause(self, attempt: u32) -> Duration {
        match self {
            Self::Fixed(pause) => pause,
            Self::Exponential { first, longest } => {
                let doublings = attempt.saturating_sub(1).min(31);
                first.saturating_mul(1 << doublings).min(longest)
            }
        }
    }
}

const MOST_RANDOM: u128 = u32::MAX as u128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pauses(retry: Retry, random: u32) -> Vec<Duration> {
        (1..100).map_while(|attempt| retry.pause(attempt, random)).collect()
    }

    #[test]
    fn there_is_no_pause_after_the_last_attempt() {
        let three = Retry::fixed(200 * MS).attempts(3).unwrap();
        assert_eq!(pauses(three, 0), [200 * MS, 200 * MS]);
        assert!(pauses(Retry::none(), 0).is_empty());
        assert!(pauses(Retry::default().attempts(1).unwrap(), 0).is_empty());
        assert_eq!(pauses(Retry::default(), 0).len(), 9);
    }

    #[test]
    fn exponential_pauses_double_up_to_the_limit() {
        let retry = Retry::exponential(10 * MS, 65 * MS).unwrap().attempts(6).unwrap();
        assert_eq!(pauses(retry, 0), [10 * MS, 20 * MS, 40 * MS, 65 * MS, 65 * MS]);
    }

    #[test]
    fn unlimited_goes_on_at_the_longest_pause() {
        let retry = Retry::exponential(10 * MS, 65 * MS).unwrap().unlimited();
        assert_eq!(retry.pause(u32::MAX, 0), Some(65 * MS));
        assert_eq!(Retry::fixed(MS).unlimited().pause(u32::MAX, 0), Some(MS));
        let endless = Retry::exponential(Duration::MAX, Duration::MAX).unwrap();
        assert_eq!(endless.unlimited().pause(9, 0), Some(Duration::MAX));
        assert!(endless.unlimited().jitter(1.0).unwrap().pause(9, u32::MAX).is_some());
    }

    #[test]
    fn the_jitter_takes_off_at_most_its_part() {
        let retry = Retry::fixed(100 * MS);
        assert_eq!(retry.pause(1, 0), Some(100 * MS));
        assert_eq!(retry.pause(1, u32::MAX), Some(50 * MS));
        assert_eq!(retry.jitter(1.0).unwrap().pause(1, u32::MAX), Some(Duration::ZERO));
        assert_eq!(retry.jitter(0.0).unwrap().pause(1, u32::MAX), Some(100 * MS));
        assert_eq!(retry.jitter(0.25).unwrap().pause(1, u32::MAX), Some(75 * MS));
    }

    #[test]
    fn nonsense_is_refused() {
        let retry = Retry::default();
        assert_eq!(retry.attempts(0), Err(ConfigError::NoAttempts));
        for part in [-0.01, 1.01, f64::NAN] {
            assert_eq!(retry.jitter(part), Err(ConfigError::Jitter { given: part.to_string() }));
        }
        let backwards = Retry::exponential(2 * MS, MS);
        assert_eq!(backwards, Err(ConfigError::Backoff { first: 2 * MS, longest: MS }));
    }

    proptest! {
        #[test]
        fn every_pause_lies_between_the_jittered_and_the_full_one(
            first in 0_u64..10_000, longest in 10_000_u64..1_000_000, attempt in 1_u32..100,
            part in 0.0..=1.0_f64, random: u32,
        ) {
            let retry = Retry::exponential(first as u32 * MS, longest as u32 * MS).unwrap();
            let retry = retry.unlimited();
            let full = retry.jitter(0.0).unwrap().pause(attempt, random).unwrap();
            let pause = retry.jitter(part).unwrap().pause(attempt, random).unwrap();
            prop_assert!(pause <= full);
            prop_assert!(pause + MS >= full.mul_f64((1.0 - part - 0.001).max(0.0)));
        }
    }
}
