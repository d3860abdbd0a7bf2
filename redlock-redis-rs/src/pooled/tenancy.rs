use std::{
    sync::{Arc, OnceLock, Weak},
    time::Instant,
};

use super::{
    checkout::Failed,
    lane::Lane,
    lanes::{Lanes, Stage},
};

/// The place of one lane, held by its keeper and given up with it, also when its runtime ends.
pub(super) struct Tenancy {
    pub(super) lanes: Weak<Lanes>,
    pub(super) number: u64,
    lane: OnceLock<Arc<Lane>>,
}

impl Tenancy {
    pub(super) const fn new(lanes: Weak<Lanes>, number: u64) -> Self {
        Self { lanes, number, lane: OnceLock::new() }
    }

    pub(super) fn opened(&self, lane: Arc<Lane>) {
        let _ = self.lane.set(Arc::clone(&lane));
        self.set(Stage::Open(lane));
    }

    /// Has callers fail for a while, unless there is only too much to do.
    pub(super) fn failed(&self, failed: &Failed) {
        if !failed.full {
            self.set(Stage::Failed { since: Instant::now(), error: failed.error.clone() });
        }
    }

    fn set(&self, stage: Stage) {
        if let Some(lanes) = self.lanes.upgrade() {
            lanes.set(self.number, stage);
        }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        match self.lane.get() {
            Some(lane) => lanes.close(lane),
            None => lanes.abandon(self.number),
        }
    }
}
