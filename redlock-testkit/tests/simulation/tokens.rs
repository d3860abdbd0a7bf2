//! Whose key a key is.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use redlock_core::{Random, RandomError, Token};
use redlock_testkit::SimRandom;

/// The chance of one client, which remembers all tokens that were made of it.
#[derive(Debug)]
pub(crate) struct Tokens {
    random: SimRandom,
    made: Mutex<BTreeSet<Token>>,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: SimRandom::new(seed), made: Mutex::default() }
    }

    pub(crate) fn contains(&self, token: &Token) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(token)
    }
}

impl Random for Tokens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.random.fill(bytes)?;
        // Whatever has another length is jitter.
        if let Ok(bits) = <[u8; Token::RANDOM_BYTES]>::try_from(&*bytes) {
            let token = Token::from_random(bits);
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(token);
        }
        Ok(())
    }
}
