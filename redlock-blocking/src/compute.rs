use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::future::{Either, select};
use redlock_core::{Cache, Cacheable, ComputeError, Error, Found, Outage};
use tokio::sync::oneshot;

use crate::{Lock, Redlock, settings::settings, thread::Thread};

impl Redlock {
    /// The value under this key of a cache; computed, by one of all who want it, if it is not there:
    /// [`Redlock::get_or_compute`](redlock_core::Redlock::get_or_compute), with which it shares its
    /// locks.
    ///
    /// The cache is that of the async API. It is asked on the thread that calls, and what it does in
    /// the background it does on that of this redlock.
    #[must_use = "nothing is looked up before it runs"]
    pub fn get_or_compute<'a>(
        &self,
        cache: &'a dyn Cache,
        key: impl Into<Arc<str>>,
        fresh_for: Duration,
    ) -> GetOrCompute<'a> {
        let search = self.thread().redlock.get_or_compute(cache, key, fresh_for);
        GetOrCompute { search, thread: Arc::clone(self.thread()) }
    }
}

/// [`GetOrCompute`](redlock_core::GetOrCompute), for code that is not async: a value that is looked
/// up, or computed once for all who want it. Made by [`Redlock::get_or_compute`].
#[derive(Clone, Debug)]
pub struct GetOrCompute<'a> {
    search: redlock_core::GetOrCompute<'a>,
    thread: Arc<Thread>,
}

settings! { GetOrCompute<'_> around search:
    stale_for: Duration, wait: Duration, cache_timeout: Duration, on_cache_outage: Outage,
    on_lock_outage: Outage
}

impl GetOrCompute<'_> {
    /// With these settings of the lock:
    /// [`GetOrCompute::locked`](redlock_core::GetOrCompute::locked).
    #[must_use]
    pub fn locked(self, settings: impl FnOnce(Lock) -> Lock) -> Self {
        let Self { search, thread } = self;
        let search = search.locked(|lock| settings(Lock::new(lock, &thread)).into_async());
        Self { search, thread }
    }

    /// The value from the cache, or computed: [`GetOrCompute::run`](redlock_core::GetOrCompute::run).
    ///
    /// The computation runs on this thread, as plain code that may block and may use other locks,
    /// while the background thread renews the lock behind the value.
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait) as
    /// [`ComputeError::Lock`], in which case nothing was computed.
    ///
    /// # Panics
    ///
    /// If the computation does; the lock is then released in the background.
    pub fn run<T, E>(
        self,
        compute: impl FnOnce() -> Result<T, E>,
    ) -> Result<Found<T>, ComputeError<E>>
    where
        T: Cacheable,
    {
        let Self { search, thread } = self;
        let search = |elsewhere: Elsewhere<_>| search.run(|| elsewhere.computed());
        by_turns(&thread, search, compute).unwrap_or_else(|error| Err(ComputeError::Lock(error)))
    }

    /// As [`run`](Self::run), of a computation that may find that there is no value:
    /// [`GetOrCompute::run_optional`](redlock_core::GetOrCompute::run_optional).
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// If the computation does; the lock is then released in the background.
    pub fn run_optional<T, E>(
        self,
        compute: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Found<Option<T>>, ComputeError<E>>
    where
        T: Cacheable,
    {
        let Self { search, thread } = self;
        let search = |elsewhere: Elsewhere<_>| search.run_optional(|| elsewhere.computed());
        by_turns(&thread, search, compute).unwrap_or_else(|error| Err(ComputeError::Lock(error)))
    }
}

/// A computation as the search sees it: asked for here, done elsewhere.
struct Elsewhere<R> {
    ask: oneshot::Sender<()>,
    answer: oneshot::Receiver<R>,
}

impl<R> Elsewhere<R> {
    async fn computed(self) -> R {
        // Whoever computes drops this very future if he has no answer, by a panic.
        let _ = self.ask.send(());
        match self.answer.await {
            Ok(result) => result,
            Err(_) => pending().await,
        }
    }
}

/// Searches until there is something to compute; computes; goes on to the end.
///
/// A computation inside of the search would run where this thread counts as one of a runtime: in
/// there, blocking calls are refused, ours and those of others.
fn by_turns<R, Done, F: Future<Output = Done>>(
    thread: &Thread,
    search: impl FnOnce(Elsewhere<R>) -> F,
    compute: impl FnOnce() -> R,
) -> Result<Done, Error> {
    let (ask, asked) = oneshot::channel();
    let (tell, answer) = oneshot::channel();
    let mut search = pin!(search(Elsewhere { ask, answer }));
    // One that ends without an answer has found that it needs none, and goes on by itself.
    let asked = pin!(async {
        if asked.await.is_err() {
            pending().await
        }
    });
    if let Either::Left((done, _)) = thread.wait(select(search.as_mut(), asked))? {
        return Ok(done);
    }
    // The search is there to be told.
    let _ = tell.send(compute());
    thread.wait(search)
}
