use std::{sync::Arc, time::Duration};

use redlock_core::{Error, LossReason};
use tokio::time::timeout;

use crate::thread::Thread;

/// [`LossSignal`](redlock_core::LossSignal), for code that is not async: tells the loss of a lock
/// to other threads than the one that has its guard.
#[derive(Clone, Debug)]
pub struct LossSignal {
    signal: redlock_core::LossSignal,
    thread: Arc<Thread>,
}

impl LossSignal {
    pub(crate) fn new(signal: redlock_core::LossSignal, thread: &Arc<Thread>) -> Self {
        Self { signal, thread: Arc::clone(thread) }
    }

    /// Waits until the lock has ended, at most for `limit`. Returns the reason if it was lost by
    /// then; `None` if it is still held, or was released or handed on.
    ///
    /// # Errors
    ///
    /// A [refusal to wait](crate#refusals-to-wait).
    pub fn lost(&self, limit: Duration) -> Result<Option<LossReason>, Error> {
        self.thread.wait(async { timeout(limit, self.signal.lost()).await.ok().flatten() })
    }

    /// Why the lock is lost, if it is. Reads the clock each time, and waits for nothing.
    #[must_use]
    pub fn reason(&self) -> Option<LossReason> {
        self.signal.reason()
    }

    /// Whether the lock is held at this instant:
    /// [`LossSignal::is_valid`](redlock_core::LossSignal::is_valid).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.signal.is_valid()
    }

    /// How much longer the lock is held, if nothing extends it:
    /// [`LossSignal::remaining`](redlock_core::LossSignal::remaining).
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.signal.remaining()
    }
}
