use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};

use super::{hold::Hold, signal::Ended};
use crate::proto::{
    Ending, LossReason,
    mutant::{self, Mutant},
};

/// Tells the loss of a lock to whom it concerns, apart from its guard. Made by
/// [`Guard::loss`](super::Guard::loss); cheap to clone, to send to other tasks, and to throw away.
///
/// It does not keep the lock: it outlives it without harm.
#[derive(Clone)]
pub struct LossSignal {
    hold: Arc<Hold>,
}

impl LossSignal {
    pub(super) fn new(hold: &Arc<Hold>) -> Self {
        Self { hold: Arc::clone(hold) }
    }

    /// Completes when the lock has ended: with the reason if it was lost, with `None` if its
    /// guard released it or handed it on.
    ///
    /// A loss is told by a timer on this machine, a little before validity ends at the latest,
    /// whatever the network does; earlier, if so many nodes no longer have the lock that no quorum
    /// is left (requirement R36).
    ///
    /// # Cancel safety
    ///
    /// Waiting changes nothing.
    pub async fn lost(&self) -> Option<LossReason> {
        match self.ended().await {
            Ending::Lost(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why the lock is lost, if it is. Reads the clock each time.
    #[must_use]
    pub fn reason(&self) -> Option<LossReason> {
        match self.hold.ending() {
            Some(Ending::Lost(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Whether the lock is held at this instant. Reads the clock each time, and does nothing else.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// How much longer the lock is held, if nothing extends it; zero if it is not.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.state().tenure.remaining(self.hold.shared.now())
    }

    pub(super) fn ended(&self) -> UntilEnded {
        UntilEnded { hold: Arc::clone(&self.hold), waiting: None }
    }
}

impl fmt::Debug for LossSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = &self.hold.claim.resources;
        f.debug_struct("LossSignal").field("resources", resources).finish_non_exhaustive()
    }
}

/// Completes with the ending of a lock.
///
/// It has a timer of its own and needs nobody to look at the clock: a keeper whose runtime has
/// ended tells nothing.
pub(super) struct UntilEnded {
    hold: Arc<Hold>,
    waiting: Option<(Ended, BoxFuture<'static, ()>)>,
}

impl Future for UntilEnded {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let Self { hold, waiting } = &mut *self;
        loop {
            // The clock first: after a pause of the process the timer may not have been seen yet.
            if let Some(ending) = hold.ending() {
                return Poll::Ready(ending);
            }
            if waiting.is_none() {
                // For a clock that jumps while timers sleep: the keeper looks at it now and then.
                hold.keep();
                // It may have ended since it was looked at.
                let Some(ended) = hold.subscribe() else { continue };
                *waiting = Some((ended, hold.shared.runtime.sleep_until(hold.tell_at())));
            }
            let Some((ended, timer)) = waiting else { continue };
            if ended.poll_unpin(cx).is_pending() && timer.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            if mutant::is(Mutant::LossToldEarly) {
                return Poll::Ready(Ending::Lost(LossReason::Expired));
            }
            // It has ended, or has been extended meanwhile.
            *waiting = None;
        }
    }
}
