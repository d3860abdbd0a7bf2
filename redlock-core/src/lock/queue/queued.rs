use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, channel::oneshot};

use super::{Failure, Place, Queues, Turn, nanos};
use crate::{
    ResourceSet,
    proto::mutant::{self, Mutant},
};

/// One who waits for his turn. Dropped, he has left the queue.
pub(in crate::lock) struct Queued {
    pub(super) queues: Arc<Queues>,
    pub(super) resources: ResourceSet,
    pub(super) number: u64,
    pub(super) turn: oneshot::Receiver<Turn>,
}

impl Queued {
    /// Whether he is next, and whoever has the turn has not stirred for so long after he should.
    pub(in crate::lock) fn is_held_up(&self, long: Duration) -> bool {
        let (mut is_next, mut turn) = (false, None);
        if let Some(Place::Taken { turn: whose, behind }) =
            self.queues.state().places.get(&self.resources)
        {
            is_next = behind.first_key_value().is_some_and(|(first, _)| *first >= self.number);
            turn = whose.upgrade();
        }
        // It may be the last clone, and is dropped when nothing is locked.
        let Some(turn) = turn else { return is_next };
        let idle =
            nanos(self.queues.hearing.now()).saturating_sub(turn.stirred.load(Ordering::Relaxed));
        is_next && Duration::from_nanos(idle) >= long
    }

    /// He has the lock without it having been his turn, so nobody need be told that it is free.
    ///
    /// Unless whoever has the turn has had the lock: then it is his that this one has a share in, or
    /// one that came after his, and to tell once too often does no harm.
    pub(in crate::lock) fn took(&self) {
        let turn = match self.queues.state().places.get(&self.resources) {
            Some(Place::Taken { turn, .. }) => turn.upgrade(),
            _ => None,
        };
        if let Some(turn) = turn.filter(|turn| turn.lock.get().is_none()) {
            turn.taken_beside.store(true, Ordering::Relaxed);
        }
    }

    /// Why the last attempt of whoever asks failed, if not because of others.
    pub(in crate::lock) fn failure(&self) -> Option<Failure> {
        let turn = match self.queues.state().places.get(&self.resources) {
            Some(Place::Taken { turn, .. }) => turn.upgrade(),
            _ => None,
        };
        // It may be the last clone, and is dropped when nothing is locked.
        let turn = turn?;
        turn.rest().failure.clone()
    }
}

impl Future for Queued {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.turn.poll_unpin(cx) {
            Poll::Ready(Ok(turn)) => Poll::Ready(turn),
            // Not while the queue is there, and that is for as long as this is.
            Poll::Ready(Err(oneshot::Canceled)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if mutant::is(Mutant::TurnKept)
            && let Ok(Some(turn)) = self.turn.try_recv()
        {
            mem::forget(turn);
        }
        let (mut left, mut turn) = (None, None);
        if let Some(Place::Taken { turn: whose, behind }) =
            self.queues.state().places.get_mut(&self.resources)
        {
            left = behind.remove(&self.number);
            if left.is_some() {
                turn = whose.upgrade();
            }
        }
        // Nothing of this while anything is locked: who is woken may come back, and of the turn
        // this one may be the last clone.
        drop(left);
        let Some(turn) = turn else { return };
        if turn.behind.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nobody waits any more, so nobody listens.
            let ears = turn.rest().ears.take();
            drop(ears);
        }
    }
}
