//! The port to chance: [`Random`], and [`OsRandom`] behind it.

use std::{error::Error, fmt, sync::Arc};

use rand::{TryRng, rngs::SysRng};

/// Where tokens and jitter come from.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with bits that nobody can guess.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if there are none to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// Random bits for jitter. Without any, everybody waits the full pause: slower, never wrong.
pub(crate) fn chance(random: &dyn Random) -> u32 {
    let mut bits = [0; 4];
    random.fill(&mut bits).map_or(0, |()| u32::from_ne_bytes(bits))
}

/// The generator of the operating system, asked each time: unpredictable, and with no state that
/// a fork could duplicate (requirement R14).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        SysRng.try_fill_bytes(bytes).map_err(RandomError::new)
    }
}

/// No random bits could be had, so no token could be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the source of randomness failed: {0}")]
pub struct RandomError(Arc<dyn Error + Send + Sync>);

impl RandomError {
    /// For this reason.
    #[must_use]
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(reason.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_gives_different_bits_each_time() {
        let draw = || {
            let mut bytes = [0; 20];
            OsRandom.fill(&mut bytes).unwrap();
            bytes
        };
        assert_ne!(draw(), draw());
    }
}
