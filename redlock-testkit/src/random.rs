//! Chance that can be repeated: [`SimRandom`].

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use redlock_core::{Random, RandomError};

/// Random bits that follow from a seed, the same on every machine.
///
/// For tests only: whoever knows the seed knows every token.
///
/// ```
/// use redlock_core::Random;
/// use redlock_testkit::SimRandom;
///
/// let (mut a, mut b) = ([0; 20], [0; 20]);
/// SimRandom::new(7).fill(&mut a)?;
/// SimRandom::new(7).fill(&mut b)?;
/// assert_eq!(a, b);
/// # Ok::<(), redlock_core::RandomError>(())
/// ```
#[derive(Debug)]
pub struct SimRandom(Mutex<Xoshiro256PlusPlus>);

impl SimRandom {
    /// The bits that follow from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)))
    }

    /// Any number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.lock().next_u64()
    }

    /// A number below `bound`; zero if there is none.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.lock().random_range(0..bound) }
    }

    /// True this often, from 0 for never, which draws nothing, to 1 for always.
    #[must_use]
    pub fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.lock().random::<f64>() < probability
    }

    /// A duration from `shortest` up to `longest`, both included.
    #[must_use]
    pub fn between(&self, shortest: Duration, longest: Duration) -> Duration {
        let spread = longest.saturating_sub(shortest).as_nanos();
        let spread = u64::try_from(spread).unwrap_or(u64::MAX);
        shortest + Duration::from_nanos(self.below(spread.saturating_add(1)))
    }

    fn lock(&self) -> MutexGuard<'_, Xoshiro256PlusPlus> {
        // The generator is sound after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Random for SimRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.lock().fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_everywhere() {
        let random = SimRandom::new(1);
        let numbers: Vec<u64> = (0..3).map(|_| random.number()).collect();
        assert_eq!(numbers, PINNED);
        assert_ne!(SimRandom::new(2).number(), PINNED[0]);
    }

    /// If this changes, every recorded seed means another run.
    const PINNED: [u64; 3] =
        [14_971_601_782_005_023_387, 13_781_649_495_232_077_965, 1_847_458_086_238_483_744];

    #[test]
    fn ranges_include_what_they_say() {
        let random = SimRandom::new(3);
        let ns = Duration::from_nanos;
        let mut seen = [0; 3];
        for _ in 0..200 {
            seen[random.between(ns(1), ns(3)).as_nanos() as usize - 1] += 1;
            assert!(random.below(3) < 3);
        }
        assert!(seen.iter().all(|&count| count > 30), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(ns(5), ns(5)), ns(5));
        assert!(random.chance(1.0) && !random.chance(0.0));
    }
}
