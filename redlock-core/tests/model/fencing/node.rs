//! A node that counts, and keeps the contract of `Fencing`.

use redlock_core::proto::Mutant;

use crate::{fencing::state::Answer, state::Token};

/// What one node knows of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// Whose key is there. It may be gone at any moment.
    pub(crate) key: Option<Token>,
    pub(crate) counter: u8,
}

impl Node {
    /// Takes the resource if it is free, and counts.
    pub(crate) fn acquire(&mut self, token: Token, hint: u8) -> Answer {
        match self.key {
            None => {
                self.key = Some(token);
                self.counter = self.counter.max(hint) + 1;
                Answer::Counted(self.counter)
            }
            Some(holder) if holder == token => Answer::Counted(self.counter),
            Some(_) => Answer::HeldByAnother(self.counter),
        }
    }

    /// Makes the counter at least this if the token has the resource.
    pub(crate) fn raise(&mut self, token: Token, fence: u8, mutant: Option<Mutant>) -> Answer {
        if self.key != Some(token) && mutant != Some(Mutant::RaiseUnchecked) {
            return self.key.map_or(Answer::NotHeld, |_| Answer::HeldByAnother(self.counter));
        }
        self.counter = self.counter.max(fence);
        Answer::Counted(self.counter)
    }
}
