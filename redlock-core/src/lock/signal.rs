use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Tells any number of waiters that something has ended, by being dropped. Costs nothing until
/// somebody waits.
///
/// Nobody knows what a waker does when it is woken, cloned or dropped: it may drop others who wait
/// here, or panic. So nothing of that is done under a lock, and each is woken for himself.
#[derive(Debug, Default)]
pub(super) struct Signal(Option<Arc<Waiters>>);

/// Completes when the signal has been given.
#[derive(Debug)]
pub(super) struct Ended {
    waiters: Arc<Waiters>,
    /// Under which the waker is kept.
    number: u64,
}

#[derive(Debug, Default)]
struct Waiters(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    given: bool,
    numbered: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Signal {
    pub(super) fn subscribe(&mut self) -> Ended {
        let waiters = Arc::clone(self.0.get_or_insert_default());
        let number = {
            let mut state = waiters.state();
            state.numbered += 1;
            state.numbered
        };
        Ended { waiters, number }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let Some(waiters) = self.0.take() else { return };
        let wakers = {
            let mut state = waiters.state();
            state.given = true;
            mem::take(&mut state.wakers)
        };
        for waker in wakers.into_values() {
            // The others are to be told all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl Waiters {
    /// No invariant spans a panic here: each use is a few statements that cannot panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.waiters.state();
        if state.given {
            drop(state);
            return Poll::Ready(());
        }
        let before = state.wakers.insert(self.number, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let waker = self.waiters.state().wakers.remove(&self.number);
        drop(waker);
    }
}
