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
#[derive(Debug)]
pub(super) struct Reaper {
    runtime: Arc<dyn Runtime>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    queue: Option<UnboundedSender<Job>>,
    /// Jobs that were taken on and have not ended.
    unfinished: usize,
    /// Who wants to know when there are none.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Work, and the mark that it is under way.
struct Job {
    work: BoxFuture<'static, ()>,
    mark: Mark,
}

/// Counts a job as finished when it is dropped: completed, panicked, or gone with its runtime.
struct Mark(Arc<Mutex<State>>);

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
        state.unfinished += 1;
        let mark = Mark(Arc::clone(&self.state));
        let refused = state.queue.as_ref().map(|queue| queue.unbounded_send(Job { work, mark }));
        // Not under the lock: a job that is refused is dropped, and takes the lock to say so.
        drop(state);
        drop(refused);
    }

    /// Completes when every job that was taken on so far, or is while waiting, has ended.
    pub(super) async fn settled(&self) {
        let done = {
            let mut state = lock(&self.state);
            if state.unfinished == 0 {
                return;
            }
            let (sender, done) = oneshot::channel();
            state.waiting.push(sender);
            done
        };
        // An error means that the state is gone, and every job with it.
        let _ = done.await;
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.unfinished -= 1;
        if state.unfinished == 0 {
            for waiting in state.waiting.drain(..) {
                // Whoever stopped waiting needs no word.
                let _ = waiting.send(());
            }
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
