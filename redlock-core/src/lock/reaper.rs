use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt, StreamExt,
    channel::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
        oneshot,
    },
    future::BoxFuture,
};

use crate::{NoRuntime, Runtime};

/// The one background task of a `Redlock`: finishes and undoes what others have left.
///
/// Work goes to it without waiting and from anywhere: from a `Drop`, while a panic unwinds, from a
/// thread without a runtime. If the runtime that it ran on has ended, the next
/// [`start`](Self::start) starts it again on the one of that time; work that was under way is then
/// lost, and the ttl cleans up.
#[derive(Clone, Debug)]
pub(super) struct Reaper {
    runtime: Arc<dyn Runtime>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    queue: Option<UnboundedSender<Job>>,
    /// How many jobs were ever taken on, which numbers them.
    taken: u64,
    /// Jobs that were taken on and have not ended.
    unfinished: usize,
    waiting: Vec<Waiting>,
}

/// Somebody who wants to know when the jobs that were there when he asked have ended.
#[derive(Debug)]
struct Waiting {
    /// His jobs are those with a lower number.
    before: u64,
    unfinished: usize,
    done: oneshot::Sender<()>,
}

/// Work, and the mark that it is under way.
struct Job {
    work: BoxFuture<'static, ()>,
    mark: Mark,
}

/// Counts a job as finished when it is dropped: completed, panicked, or gone with its runtime.
struct Mark {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Reaper {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, state: Arc::default() }
    }

    /// Sees to it that the task runs. To be called where there is a runtime, before anything is
    /// begun that may have to be undone where there is none.
    pub(super) fn start(&self) -> Result<(), NoRuntime> {
        let mut state = lock(&self.state);
        if state.queue.as_ref().is_some_and(|queue| !queue.is_closed()) {
            return Ok(());
        }
        let (queue, jobs) = unbounded();
        state.queue = None;
        self.runtime.spawn(Box::pin(reap(jobs)))?;
        // A runtime that is shutting down takes a task and drops it at once.
        if queue.is_closed() {
            return Err(NoRuntime);
        }
        state.queue = Some(queue);
        Ok(())
    }

    /// Hands work over. If there is no runtime any more to do it, it is dropped.
    pub(super) fn take(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.take_boxed(Box::pin(work));
    }

    /// [`take`](Self::take), for work that is boxed already.
    pub(super) fn take_boxed(&self, work: BoxFuture<'static, ()>) {
        // The task may not run yet: a lease can be released here that came from elsewhere.
        if self.start().is_err() {
            return;
        }
        let mut state = lock(&self.state);
        let mark = Mark { number: state.taken, state: Arc::clone(&self.state) };
        state.taken += 1;
        state.unfinished += 1;
        let queue = state.queue.clone();
        // Not under the lock: a job that is refused is dropped, and takes the lock to say so; and
        // nobody knows what a waker does.
        drop(state);
        drop(queue.map(|queue| queue.unbounded_send(Job { work, mark })));
    }

    /// Completes when every job that was taken on so far has ended. Those to come are not waited
    /// for, or a redlock in use would never settle.
    pub(super) async fn settled(&self) {
        let reached = {
            let mut state = lock(&self.state);
            let State { taken: before, unfinished, .. } = *state;
            if unfinished == 0 {
                return;
            }
            let (done, reached) = oneshot::channel();
            // Those who have stopped waiting, for example because their time was over.
            state.waiting.retain(|waiting| !waiting.done.is_canceled());
            state.waiting.push(Waiting { before, unfinished, done });
            reached
        };
        // An error means that the state is gone, and every job with it.
        let _ = reached.await;
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.unfinished -= 1;
        for waiting in &mut state.waiting {
            if self.number < waiting.before {
                waiting.unfinished -= 1;
            }
        }
        let reached: Vec<_> =
            state.waiting.extract_if(.., |waiting| waiting.unfinished == 0).collect();
        // Whoever is woken may drop a guard there and then, which takes the lock.
        drop(state);
        for waiting in reached {
            // Whoever stopped waiting needs no word.
            let _ = waiting.done.send(());
        }
    }
}

/// Does the jobs, all at the same time, until nobody can send any more and all have ended.
async fn reap(jobs: UnboundedReceiver<Job>) {
    jobs.for_each_concurrent(None, |Job { work, mark }| async move {
        // A node that panics must not take the clean-up of the others with it.
        let _ = AssertUnwindSafe(work).catch_unwind().await;
        drop(mark);
    })
    .await;
}

/// No invariant spans a panic here: the counters are changed by single statements.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
