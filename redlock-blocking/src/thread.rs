use std::{
    future::Future,
    io, mem, process,
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
    /// The process that the thread is in. A fork copies this, and not the thread.
    process: u32,
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
        let (process, ended) = (process::id(), Mutex::new(ended));
        Ok(Self { redlock, runtime, process, end: Some(end), ended })
    }

    /// Waits for `work` here; its connections and timers are driven by the background thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        if self.is_elsewhere() {
            // With what it has to give up, which is not this process's.
            mem::forget(work);
            return Err(Error::Forked);
        }
        match Handle::try_current() {
            Ok(_) => Err(Error::InsideRuntime),
            // `block_on` would panic, in a destructor that must not: the process would be aborted.
            Err(error) if error.is_thread_local_destroyed() => Err(Error::ThreadEnding),
            Err(_) => Ok(self.runtime.block_on(work)),
        }
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

    /// Whether the thread is in another process: this one is a fork of it. Nothing goes on here
    /// then, and any lock in memory may be one that the thread had just then, for ever. What is
    /// held is the other process's, who goes on with it.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.process != process::id()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.is_elsewhere() {
            // To send it would wake the thread, which is not here.
            return mem::forget(self.end.take());
        }
        drop(self.end.take());
        if !is_inside_runtime() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            // An error in any case, as above. Twice, for a node that holds up the thread itself.
            let _ = ended.recv_timeout(2 * PATIENCE);
        }
    }
}

/// Whether this thread belongs to a runtime, whose other tasks would wait as well. One that ends
/// belongs to none any more.
fn is_inside_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// How long a drop waits at most, that of a guard for the quorum and that of the last handle for all
/// nodes: long for any that is healthy, and no pain for whoever ends a program.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redlock_testkit::MemoryNode;

    use super::*;
    use crate::{Guard, Listing, ListingError, ReentrantGuard};

    const LONG: Duration = Duration::from_secs(60);

    fn start(nodes: &[MemoryNode]) -> Thread {
        let redlock = Redlock::builder().nodes(nodes.to_vec()).ttl(LONG).build().unwrap();
        Thread::start(redlock).unwrap()
    }

    /// What a fork leaves of it: its memory. To fork takes unsafe code, so here the process is
    /// another one by its number alone, and the thread is still there to do what it must not.
    fn forked(mut thread: Thread) -> Arc<Thread> {
        thread.process = thread.process.wrapping_add(1);
        Arc::new(thread)
    }

    #[test]
    fn after_a_fork_every_call_that_waits_is_refused_and_a_drop_leaves_all_to_the_parent() {
        let nodes = MemoryNode::cluster(3);
        let parent = start(&nodes);
        let acquired = |name| parent.wait(parent.redlock.lock(name).acquire()).unwrap().unwrap();
        let (one, other) = (acquired("one"), acquired("other"));
        let owner = parent.redlock.lock("nested").reentrant();
        let nested = parent.wait(owner.acquire()).unwrap().unwrap();
        let listed = parent.wait(async { parent.redlock.list("") }).unwrap().unwrap();
        let (runtime, original) = (parent.runtime.clone(), parent.redlock.clone());
        let child = forked(parent);

        let refused = |error: Error| assert!(matches!(error, Error::Forked), "{error}");
        refused(child.wait(child.redlock.lock("new").acquire()).unwrap_err());
        let mut guard = Guard::new(one, &child);
        refused(guard.extend(LONG).unwrap_err());
        refused(guard.lost(LONG).unwrap_err());
        let mut listing = Listing::new(Box::pin(listed), &child);
        assert!(matches!(listing.next(), Some(Err(ListingError::Forked))));
        assert!(listing.next().is_none());
        refused(Guard::new(other, &child).release().unwrap_err());
        drop(guard);
        drop(ReentrantGuard::new(nested, &child));
        drop(listing);
        drop(child);
        // By the thread, which a fork would not have.
        runtime.block_on(original.settled());
        let keys: usize = nodes.iter().map(|node| node.keys().len()).sum();
        assert_eq!(keys, 9, "the parent has its locks");
    }
}
