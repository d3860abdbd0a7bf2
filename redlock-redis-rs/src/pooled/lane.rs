use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::connection::Connection;

/// A connection out of the pool that calls share.
///
/// Open, it takes every call. Retired, only those for claims that are pinned to it. Closed, none;
/// then the connection is back in the pool, or hung up.
///
/// What changes, changes only under the lock of the [lanes](super::lanes::Lanes), so that a lane
/// cannot be closed while somebody enters it. [`settle`](Self::settle) alone needs no lock: it is
/// its keeper's.
pub(super) struct Lane {
    pub(super) number: u64,
    pub(super) connection: Connection,
    /// Rung, once the lane is retired, for all that its keeper waits for.
    pub(super) bell: Notify,
    riders: AtomicUsize,
    rides: AtomicUsize,
    /// Calls that have ended without an answer, and how many of them have been carried out since
    /// or never will be.
    doubts: AtomicUsize,
    settled: AtomicUsize,
    retired: AtomicBool,
    closed: AtomicBool,
}

impl Lane {
    pub(super) fn new(number: u64, connection: Connection) -> Self {
        Self {
            number,
            connection,
            bell: Notify::new(),
            riders: AtomicUsize::new(0),
            rides: AtomicUsize::new(0),
            doubts: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn enter(&self) {
        self.riders.fetch_add(1, Ordering::Relaxed);
        self.rides.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.riders.fetch_sub(1, Ordering::Relaxed);
        if self.is_retired() && !self.has_riders() {
            self.bell.notify_one();
        }
    }

    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.retire();
    }

    /// Everything up to these many doubts has been carried out, or never will be.
    pub(super) fn settle(&self, doubts: usize) {
        self.settled.store(doubts, Ordering::Relaxed);
    }

    pub(super) fn has_riders(&self) -> bool {
        self.riders.load(Ordering::Relaxed) > 0
    }

    /// How many calls there have been.
    pub(super) fn rides(&self) -> usize {
        self.rides.load(Ordering::Relaxed)
    }

    pub(super) fn doubts(&self) -> usize {
        self.doubts.load(Ordering::Relaxed)
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether something may be under way on it.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubts() != self.settled.load(Ordering::Relaxed)
    }
}
