//! A node that keeps its contract: the reference for what the port asks of one.

use redlock_core::proto::Mutant;

use crate::state::{Answer, Token};

/// A key on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) token: Token,
    /// The key is there until this moment; from then on it may be found gone or there, because
    /// the node's clock may be as fast as the drift allows, or slow. Zero once that is so.
    pub(crate) until: u8,
}

/// Takes the resource if it is free, or already this token's; then the first expiry stands.
pub(crate) fn acquire(key: &mut Option<Key>, token: Token, until: u8) -> Answer {
    match key {
        None => {
            *key = Some(Key { token, until });
            Answer::Granted
        }
        Some(held) if held.token == token => Answer::Granted,
        Some(_) => Answer::HeldByAnother,
    }
}

/// Keeps the resource until the given moment at least, if the token has it.
pub(crate) fn extend(
    key: &mut Option<Key>,
    token: Token,
    until: u8,
    mutant: Option<Mutant>,
) -> Answer {
    match key {
        None => Answer::NotHeld,
        Some(held) if held.token == token => {
            held.until =
                if mutant == Some(Mutant::KeyShortened) { until } else { held.until.max(until) };
            Answer::Granted
        }
        Some(_) => Answer::HeldByAnother,
    }
}

/// Gives the resource up if the token has it.
pub(crate) fn release(key: &mut Option<Key>, token: Token, mutant: Option<Mutant>) {
    let owned = key.is_some_and(|held| held.token == token);
    if owned || mutant == Some(Mutant::UnconditionalDelete) {
        *key = None;
    }
}
