use std::{collections::HashMap, sync::Arc};

use redlock_core::{Resource, Token};
use tokio::sync::Mutex;

use super::lane::Lane;

/// What calls must stay in order for: those about other resources, or for other tokens, touch
/// nothing that these do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    resource: Resource,
    token: Token,
}

impl Claim {
    pub(super) fn new(resource: &Resource, token: &Token) -> Self {
        Self { resource: resource.clone(), token: token.clone() }
    }
}

/// For each claim with a call under way, or one whose outcome is unknown: who comes next, and
/// where it has to go.
///
/// Bounded: a claim leaves with its last call, and if that had no answer, with its lane.
#[derive(Default)]
pub(super) struct Turns(HashMap<Claim, Turn>);

#[derive(Default)]
struct Turn {
    gate: Arc<Mutex<()>>,
    callers: usize,
    pinned: Option<Arc<Lane>>,
}

impl Turns {
    /// A new call for this claim: it may send while it holds what this gate gives it.
    pub(super) fn join(&mut self, claim: &Claim) -> Arc<Mutex<()>> {
        let turn = self.0.entry(claim.clone()).or_default();
        turn.callers += 1;
        Arc::clone(&turn.gate)
    }

    /// Undoes [`join`](Self::join).
    pub(super) fn leave(&mut self, claim: &Claim) {
        if let Some(turn) = self.0.get_mut(claim) {
            turn.callers -= 1;
            if turn.callers == 0 && turn.pinned.is_none() {
                self.0.remove(claim);
            }
        }
    }

    /// Where the calls for this claim have to go, if anywhere.
    pub(super) fn pinned(&self, claim: &Claim) -> Option<&Arc<Lane>> {
        self.0.get(claim)?.pinned.as_ref()
    }

    /// Says where. To be called between joining and leaving.
    pub(super) fn pin(&mut self, claim: &Claim, lane: Option<Arc<Lane>>) {
        if let Some(turn) = self.0.get_mut(claim) {
            turn.pinned = lane;
        }
    }

    /// No call has to go over this lane any more.
    pub(super) fn unpin_all(&mut self, lane: &Lane) {
        self.0.retain(|_, turn| {
            if turn.pinned.as_ref().is_some_and(|pinned| pinned.number == lane.number) {
                turn.pinned = None;
            }
            turn.callers > 0 || turn.pinned.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_forgotten_with_its_last_call() {
        let mut turns = Turns::default();
        let token = Token::from_bytes(*b"t").unwrap();
        let claim = Claim::new(&Resource::new("r").unwrap(), &token);
        let gate = turns.join(&claim);
        assert!(Arc::ptr_eq(&gate, &turns.join(&claim)));
        turns.leave(&claim);
        assert_eq!(turns.0.len(), 1);
        turns.leave(&claim);
        assert!(turns.0.is_empty());
    }
}
