use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{LockNode, Ttl, Warning, observe::Onlookers, proto::NodeSet};

/// An eye on what nodes know of their stores, for whoever runs them.
pub(super) struct Watch {
    onlookers: Onlookers,
    /// The nodes of which it was told that they forget.
    forgetful: Mutex<NodeSet>,
}

impl Watch {
    pub(super) fn new(onlookers: Onlookers) -> Self {
        Self { onlookers, forgetful: Mutex::default() }
    }

    /// This node has granted a lock of this ttl. If it may have forgotten one like it that is still
    /// held, that is said once.
    pub(super) fn granted(&self, place: usize, node: &dyn LockNode, ttl: Ttl) {
        let remembers = node.witness().and_then(|witness| witness.remembers());
        let Some(remembers) = remembers.filter(|remembers| *remembers < ttl.get()) else { return };
        let first = {
            let mut told = self.forgetful.lock().unwrap_or_else(PoisonError::into_inner);
            let first = !told.contains(place);
            told.insert(place);
            first
        };
        if first {
            let (label, ttl) = (Arc::from(node.label()), ttl.get());
            let warning = Warning::Forgetful { label, remembers, ttl };
            self.onlookers.tell(|observer| observer.warned(&warning));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
