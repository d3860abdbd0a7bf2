use std::{fmt, sync::Arc, time::Duration};

use super::{
    found::{ComputeError, Found, Origin, Stored},
    handle::Lock,
    redlock::Redlock,
    search::{Failure, Outage, Search, Way},
};
use crate::{
    cache::{Cache, Cacheable},
    proto::Freshness,
};

impl Redlock {
    /// The value under this key of a cache; computed, by one of all who want it, if it is not there.
    ///
    /// What is computed now is good for `fresh_for` from when it is written, by the clock of the
    /// cache, for all who read it; then the next is computed. A millisecond at least: less is an
    /// error of [`run`](GetOrCompute::run).
    ///
    /// The lock behind it is that of the resource `redlocks:compute:{key}`, the key put in as it
    /// is: two keys never share one. Two *caches* do if they have a key in common, so let keys
    /// differ.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use redlock_core::{Cache, ComputeError, Redlock};
    ///
    /// async fn rates(
    ///     redlock: &Redlock,
    ///     cache: &dyn Cache,
    /// ) -> Result<String, ComputeError<std::io::Error>> {
    ///     let found = redlock
    ///         .get_or_compute(cache, "rates:eur", Duration::from_secs(60))
    ///         .stale_for(Duration::from_secs(600))
    ///         .run(async || ask_the_bank().await)
    ///         .await?;
    ///     Ok(found.into_value())
    /// }
    /// # async fn ask_the_bank() -> std::io::Result<String> { Ok(String::new()) }
    /// # let _ = rates;
    /// ```
    pub fn get_or_compute<'a>(
        &self,
        cache: &'a dyn Cache,
        key: impl Into<Arc<str>>,
        fresh_for: Duration,
    ) -> GetOrCompute<'a> {
        let key = key.into();
        let search = Search {
            lock: self.lock(format!("{RESOURCES}{key}")),
            cache,
            key,
            stale_for: Duration::ZERO,
            patience: PATIENCE,
            cache_timeout: CACHE_TIMEOUT,
            on_cache_outage: Outage::Fail,
            on_lock_outage: Outage::Fail,
        };
        GetOrCompute { search, fresh_for }
    }
}

/// A value that is looked up, or computed once for all who want it. Made by
/// [`Redlock::get_or_compute`].
///
/// | setting | default |
/// |---|---|
/// | [`stale_for`](Self::stale_for) | none: whoever finds nothing fresh waits |
/// | [`wait`](Self::wait) | 10 s |
/// | [`cache_timeout`](Self::cache_timeout) | 1 s |
/// | [`on_cache_outage`](Self::on_cache_outage), [`on_lock_outage`](Self::on_lock_outage) | [`Outage::Fail`] |
/// | [`locked`](Self::locked) | the settings of the redlock: renewed while it computes |
#[derive(Clone)]
#[must_use = "nothing is looked up before it runs"]
pub struct GetOrCompute<'a> {
    search: Search<'a>,
    fresh_for: Duration,
}

impl GetOrCompute<'_> {
    /// Keeps the value for so much longer when it is no longer fresh; and takes a stale one, rather
    /// than wait, while somebody else computes the next.
    pub const fn stale_for(mut self, stale_for: Duration) -> Self {
        self.search.stale_for = stale_for;
        self
    }

    /// Waits at most this long for somebody else who computes the value. A computation of one's own
    /// may take as long as it likes.
    pub const fn wait(mut self, patience: Duration) -> Self {
        self.search.patience = patience;
        self
    }

    /// Waits at most this long for each answer of the cache; then it has [failed](crate::CacheError).
    pub const fn cache_timeout(mut self, timeout: Duration) -> Self {
        self.search.cache_timeout = timeout;
        self
    }

    /// What to do when the cache cannot be read. With [`Outage::Compute`] the value is computed at
    /// once, without the lock, because nobody could be given it anyway; and not written.
    ///
    /// A cache that cannot be *written* is never an error: the value is there, and says so.
    pub const fn on_cache_outage(mut self, outage: Outage) -> Self {
        self.search.on_cache_outage = outage;
        self
    }

    /// What to do when the lock cannot be had because too few nodes answer. With
    /// [`Outage::Compute`] the value is computed without it, as soon as an attempt has found that
    /// out, and written: by the first as a rule, later if others are in each other's way on the
    /// nodes that are left. Whoever waits for somebody else makes an attempt each half second, to see
    /// whether there is an outage.
    ///
    /// Somebody else who has the lock for longer than the [patience](Self::wait) is no outage.
    pub const fn on_lock_outage(mut self, outage: Outage) -> Self {
        self.search.on_lock_outage = outage;
        self
    }

    /// With these settings of the lock: a shorter ttl, say, or a longest hold, after which others
    /// no longer wait for a computation that hangs. How long to wait for it is said by
    /// [`wait`](Self::wait).
    pub fn locked(mut self, settings: impl FnOnce(Lock) -> Lock) -> Self {
        self.search.lock = settings(self.search.lock);
        self
    }

    /// The value from the cache, or computed.
    ///
    /// Reads the cache; takes the lock; reads again, for it may have been computed meanwhile;
    /// computes, writes, and gives the lock up. Whoever waits for the lock looks at the cache
    /// meanwhile: at once when somebody of this process has found the value, and now and then.
    ///
    /// If the lock is lost while the value is computed, it is computed to its end and the caller
    /// has it, but it is not [stored](Stored::TooLate).
    ///
    /// # Errors
    ///
    /// [`ComputeError::Compute`] with the error of the computation, of which nothing is kept: the
    /// next who waits computes in his turn. [`ComputeError::Lock`] if the lock could not be had,
    /// or its settings or the lifetimes cannot be. [`ComputeError::Cache`] if the cache could not
    /// be read.
    ///
    /// # Panics
    ///
    /// If the computation does; the lock is then released in the background.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the computation is dropped and the lock released in the background; a
    /// value that was being written is in the cache or is not.
    pub async fn run<T, E, F>(self, compute: F) -> Result<Found<T>, ComputeError<E>>
    where
        T: Cacheable,
        F: AsyncFnOnce() -> Result<T, E>,
    {
        self.go(compute, |value| Some(value), |value| value).await
    }

    /// As [`run`](Self::run), of a computation that may find that there is no value.
    ///
    /// `None` is not kept: whoever waits computes in his turn. What is to be remembered as missing
    /// needs a [value](Cacheable) that says so.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// If the computation does; the lock is then released in the background.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_optional<T, E, F>(
        self,
        compute: F,
    ) -> Result<Found<Option<T>>, ComputeError<E>>
    where
        T: Cacheable,
        F: AsyncFnOnce() -> Result<Option<T>, E>,
    {
        self.go(compute, Option::as_ref, Some).await
    }

    /// `stored` is what of a result is kept, `found` the result that what was kept stands for.
    async fn go<T: Cacheable, R, E>(
        self,
        compute: impl AsyncFnOnce() -> Result<R, E>,
        stored: fn(&R) -> Option<&T>,
        found: fn(T) -> R,
    ) -> Result<Found<R>, ComputeError<E>> {
        let Self { search, fresh_for } = self;
        let freshness = Freshness::new(fresh_for, search.stale_for);
        let freshness = freshness.map_err(|error| ComputeError::Lock(error.into()))?;
        let way = search.find().await.map_err(|failure| match failure {
            Failure::Lock(error) => ComputeError::Lock(error),
            Failure::Cache(error) => ComputeError::Cache(error),
        })?;
        match way {
            Way::Found(value, origin) => Ok(Found::new(found(value), origin)),
            Way::Unlocked(unread) => {
                let result = compute().await.map_err(ComputeError::Compute)?;
                let kept = search.keep(stored(&result), freshness, unread, None).await;
                Ok(Found::new(result, Origin::Unlocked(kept)))
            }
            Way::Compute(guard, unread) => {
                let result = match compute().await {
                    Ok(result) => result,
                    Err(error) => {
                        guard.release().await;
                        return Err(ComputeError::Compute(error));
                    }
                };
                let kept = search.keep(stored(&result), freshness, unread, Some(&guard)).await;
                if matches!(kept, Stored::Yes) {
                    search.lock.shared().followers.tell(guard.resource());
                }
                guard.release().await;
                Ok(Found::new(result, Origin::Computed(kept)))
            }
        }
    }
}

impl fmt::Debug for GetOrCompute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrCompute")
            .field("key", &self.search.key)
            .field("cache", &self.search.cache)
            .field("fresh_for", &self.fresh_for)
            .field("stale_for", &self.search.stale_for)
            .field("patience", &self.search.patience)
            .finish_non_exhaustive()
    }
}

/// What the names of the resources begin with that are locked to compute something.
const RESOURCES: &str = "redlocks:compute:";
const PATIENCE: Duration = Duration::from_secs(10);
const CACHE_TIMEOUT: Duration = Duration::from_secs(1);
