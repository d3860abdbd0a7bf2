use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How many clean-ups wait for each node, so that a node which does not answer cannot collect them
/// without bound.
///
/// Each waits for up to twice its ttl. At ten thousand attempts a second and ten seconds that makes
/// two hundred thousand, and more than a million for a ttl of a minute. So a clean-up that finds the
/// backlog [full](Self::is_full) asks only once more, waits [a moment](Self::PATIENCE) for the
/// answer, and leaves the rest to the ttl. That is safe: a key which is left behind on one node keeps
/// others out there, and never lets two in.
#[derive(Clone)]
pub(super) struct Backlog(Arc<[AtomicUsize]>);

impl Backlog {
    pub(super) fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Counts one more that waits for the node, until what is returned is dropped.
    pub(super) fn join(&self, node: usize) -> InBacklog {
        if let Some(waiting) = self.0.get(node) {
            waiting.fetch_add(1, Ordering::Relaxed);
        }
        InBacklog { backlog: self.clone(), node }
    }

    /// Whether so many wait for the node that it is not waited for any longer.
    pub(super) fn is_full(&self, node: usize) -> bool {
        self.0.get(node).is_some_and(|waiting| waiting.load(Ordering::Relaxed) > Self::MOST)
    }

    /// How long such a clean-up waits: long enough for a node that is only busy, because it may be
    /// the releases of very many guards that fill its backlog.
    pub(super) const PATIENCE: Duration = Duration::from_secs(1);

    /// About two kilobytes each.
    const MOST: usize = 10_000;
}

/// One clean-up that waits for a node, as long as it lives.
pub(super) struct InBacklog {
    backlog: Backlog,
    node: usize,
}

impl Drop for InBacklog {
    fn drop(&mut self) {
        if let Some(waiting) = self.backlog.0.get(self.node) {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
