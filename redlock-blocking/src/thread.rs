use std::{
    future::Future,
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use redlock_core::{Error, Redlock};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::timeout,
};

/// A redlock and its background thread: a runtime on which everything lives that goes on while
/// users are busy. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) redlock: Redlock,
    runtime: Handle,
    /// Dropped, it ends the thread, which then waits for the clean-up.
    end: Option<oneshot::Sender<()>>,
    /// Closed when it has ended.
    ended: Mutex<Receiver<()>>,
}

impl Thread {
    pub(crate) fn start(redlock: Redlock) -> io::Result<Self> {
        let (started, start) = mpsc::channel();
        let (alive, ended) = mpsc::channel::<()>();
        let (end, is_over) = oneshot::channel::<()>();
        let last = redlock.clone();
        // The runtime is made and ended there, for in an async context it cannot be dropped.
        let work = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(runtime.handle().clone())));
            runtime.block_on(async {
                // Nothing is ever sent.
                let _ = is_over.await;
                let _ = timeout(PATIENCE, last.settled()).await;
            });
            // To drop it would wait for names that are still being looked up.
            runtime.shutdown_background();
            drop(alive);
        };
        thread::Builder::new().name("redlocks".to_owned()).spawn(work)?;
        let runtime = start.recv().map_err(io::Error::other)??;
        Ok(Self { redlock, runtime, end: Some(end), ended: Mutex::new(ended) })
    }

    /// Waits for `work` here; its connections and timers are driven by the background thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        if is_inside_runtime() {
            return Err(Error::InsideRuntime);
        }
        Ok(self.runtime.block_on(work))
    }

    /// Does `work` in the background and waits for it for a while. Where waiting is not allowed it
    /// is dropped instead, before it has begun, which must be enough.
    ///
    /// Neither polls anything here nor panics, so it can be used while a panic unwinds.
    pub(crate) fn wait_a_while(&self, work: impl Future<Output = ()> + Send + 'static) {
        if is_inside_runtime() {
            return;
        }
        let (alive, ended) = mpsc::channel::<()>();
        drop(self.runtime.spawn(async move {
            work.await;
            drop(alive);
        }));
        // An error in any case: nothing is ever sent.
        let _ = ended.recv_timeout(PATIENCE);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.end.take());
        if !is_inside_runtime() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            // An error in any case, as above. Twice, for a node that holds up the thread itself.
            let _ = ended.recv_timeout(2 * PATIENCE);
        }
    }
}

/// Whether this thread belongs to a runtime, whose other tasks would wait as well.
fn is_inside_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// How long a drop waits at most, that of a guard for the quorum and that of the last handle for all
/// nodes: long for any that is healthy, and no pain for whoever ends a program.
const PATIENCE: Duration = Duration::from_secs(1);
