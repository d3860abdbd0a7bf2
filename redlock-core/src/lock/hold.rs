use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    aftermath::{Fate, undo_all},
    calls::Claim,
    shared::Shared,
};
use crate::{
    Ttl,
    proto::{Ballot, Late, Loss, LossReason, NodeSet, Tenure},
};

/// What a guard shares with the jobs that were begun for it.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    pub(super) claim: Arc<Claim>,
    pub(super) node_timeout: Duration,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) tenure: Tenure,
    /// What the nodes were last asked for that made them keep it longer.
    pub(super) ttl: Ttl,
}

impl Hold {
    pub(super) fn new(
        shared: &Arc<Shared>,
        claim: &Arc<Claim>,
        tenure: Tenure,
        ttl: Ttl,
        node_timeout: Duration,
    ) -> Arc<Self> {
        let state = Mutex::new(State { tenure, ttl });
        Arc::new(Self { shared: Arc::clone(shared), claim: Arc::clone(claim), node_timeout, state })
    }

    /// Never held across an await. Each use leaves the state whole, so a panic elsewhere in the
    /// holder of the lock cannot have left it half changed.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call to acquire has returned after the grant.
    pub(super) fn late(&self, node: usize, ballot: Ballot) -> Fate {
        match self.state().tenure.late(node, ballot) {
            Late::Noted => Fate::Forget,
            Late::Release => Fate::Release,
        }
    }

    /// The lock has been declared lost; now its keys can go. Returns why it was lost.
    pub(super) fn bury(&self, loss: Loss) -> LossReason {
        if !loss.release.is_empty() {
            self.release_in_background(loss.release);
        }
        loss.reason
    }

    pub(super) fn release_in_background(&self, nodes: NodeSet) {
        let forgotten = self.state().tenure.forgotten();
        let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
        self.shared.reaper.take(undo_all(shared, claim, nodes, forgotten));
    }
}
