use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt,
    future::{Either, select},
};

use super::{
    attempt,
    calls::Timer,
    error::Error,
    found::{Origin, Stored},
    guard::Guard,
    handle::Lock,
    persist::Persistence,
    queue::Turn,
    report::Report,
    settings::Terms,
};
use crate::{
    Resource,
    cache::{Cache, CacheError, Cacheable, Cached},
    proto::{Age, Ballot, Freshness},
};

/// How a caller looks for a value until he has it, or it is his to compute.
#[derive(Clone)]
pub(super) struct Search<'a> {
    pub(super) lock: Lock,
    pub(super) cache: &'a dyn Cache,
    pub(super) key: Arc<str>,
    /// For how long a stale value is kept; a caller who keeps none takes none.
    pub(super) stale_for: Duration,
    pub(super) patience: Duration,
    pub(super) cache_timeout: Duration,
    pub(super) on_cache_outage: Outage,
    pub(super) on_lock_outage: Outage,
}

/// What to do when the cache, or the lock, is out: one or the other, there is no third.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outage {
    /// Tell the caller, and compute nothing. What the computation asks, a database say, is never
    /// asked by more than one at a time.
    #[default]
    Fail,
    /// Compute all the same, however many others do. Callers have their value, and what the
    /// computation asks has to bear all of them.
    Compute,
}

/// How a caller comes to his value.
pub(super) enum Way<T> {
    Found(T, Origin),
    /// It is his to compute. What kept him from reading, if he goes on regardless.
    Compute(Guard, Option<CacheError>),
    Unlocked(Option<CacheError>),
}

/// Why he does not.
pub(super) enum Failure {
    Lock(Error),
    Cache(CacheError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Lock(error)
    }
}

impl Search<'_> {
    /// Looks until there is a value, or it is this caller's to compute.
    pub(super) async fn find<T: Cacheable>(&self) -> Result<Way<T>, Failure> {
        // What is wrong with the settings is told before anything is asked.
        let terms = self.lock.terms().map_err(Error::from)?;
        let acquired = match self.read().await {
            Ok(Some((value, Age::Fresh))) => return Ok(Way::Found(value, Origin::Cached)),
            Ok(Some((value, Age::Stale))) if !self.stale_for.is_zero() => {
                match self.acquire_at_once(&terms).await {
                    None => return Ok(Way::Found(value, Origin::Stale)),
                    Some(Err(error)) if error.is_worth_a_retry() => {
                        return Ok(Way::Found(value, Origin::Stale));
                    }
                    Some(acquired) => acquired,
                }
            }
            Ok(_) => {
                let acquiring = pin!(self.acquire());
                let watching = pin!(self.watch(terms.resources.first()));
                match select(acquiring, watching).await {
                    Either::Left((acquired, _)) => acquired,
                    Either::Right((value, _)) => return Ok(Way::Found(value, Origin::Cached)),
                }
            }
            Err(error) => {
                return match self.on_cache_outage {
                    Outage::Fail => Err(Failure::Cache(error)),
                    Outage::Compute => Ok(Way::Unlocked(Some(error))),
                };
            }
        };
        match acquired {
            Ok(guard) => self.find_under(guard).await,
            Err(error) if self.on_lock_outage == Outage::Compute && is_outage(&error) => {
                Ok(Way::Unlocked(None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks again, with the lock in hand.
    async fn find_under<T: Cacheable>(&self, guard: Guard) -> Result<Way<T>, Failure> {
        let way = match self.read().await {
            Ok(Some((value, Age::Fresh))) => {
                // Computed elsewhere: nobody here needs the lock to find that out.
                self.lock.shared().followers.tell(guard.resource());
                Ok(Way::Found(value, Origin::Cached))
            }
            Ok(_) => return Ok(Way::Compute(guard, None)),
            Err(error) if self.on_cache_outage == Outage::Compute => {
                return Ok(Way::Compute(guard, Some(error)));
            }
            Err(error) => Err(Failure::Cache(error)),
        };
        guard.release().await;
        way
    }

    /// One attempt, unless somebody of this process is at it: then nobody need be asked.
    async fn acquire_at_once(&self, terms: &Terms) -> Option<Result<Guard, Error>> {
        let shared = self.lock.shared();
        let turn = Turn::enter_alone(&shared.queues, &terms.resources)?;
        let seeking = terms.quest.begin();
        let done = attempt::acquire(shared, terms, None, Some(turn)).await;
        Some(seeking.end(done, Error::why_given_up))
    }

    async fn acquire(&self) -> Result<Guard, Error> {
        if self.on_lock_outage == Outage::Fail {
            return self.lock.acquire_within(self.patience).await;
        }
        // An outage is to be found out soon, and not when the patience has ended: also by those who
        // wait behind somebody, and whoever waits for a release.
        let (shared, terms) = (self.lock.shared(), self.lock.terms()?);
        let persistence = Persistence {
            at_least_every: Some(BETWEEN),
            goes_on_after: |error| error.is_worth_a_retry() && !is_outage(error),
            ..self.lock.persistence(&terms, Some(self.patience))
        };
        let once = |deadline, turn| attempt::acquire(shared, &terms, deadline, turn);
        let seeking = terms.quest.begin();
        let done = persistence.persist(once, || pending().boxed()).await;
        seeking.end(done, Error::why_given_up)
    }

    /// Completes with the value when somebody else has computed it.
    ///
    /// Of those in this process that is told at once. Of others it is seen sooner by a look now and
    /// then than by waiting until all who asked before have had the lock.
    async fn watch<T: Cacheable>(&self, resource: &Resource) -> T {
        let shared = self.lock.shared();
        let begun = shared.now();
        let mut told = shared.followers.follow(resource);
        loop {
            // The longer it takes, the less it matters how much longer.
            let now = shared.now();
            let pause = (now.since(begun) / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            select(&mut told, Timer::new(shared, now.after(pause))).await;
            // From before the look, so that nothing is told in between.
            told = shared.followers.follow(resource);
            if let Ok(Some((value, Age::Fresh))) = self.read().await {
                shared.followers.tell(resource);
                return value;
            }
        }
    }

    /// What the cache has, as far as it can be read.
    async fn read<T: Cacheable>(&self) -> Result<Option<(T, Age)>, CacheError> {
        let cached = self.in_time(self.cache.read(&self.key)).await?;
        Ok(cached.and_then(|Cached { value, age }| Some((T::from_bytes(value).ok()?, age))))
    }

    /// Writes what was computed; under a lock, only while that is held.
    pub(super) async fn keep<T: Cacheable>(
        &self,
        value: Option<&T>,
        freshness: Freshness,
        unread: Option<CacheError>,
        guard: Option<&Guard>,
    ) -> Stored {
        let Some(value) = value else { return Stored::Nothing };
        if let Some(error) = unread {
            return Stored::Failed(error);
        }
        let bytes = match value.to_bytes() {
            Ok(bytes) => bytes,
            Err(error) => return Stored::Failed(CacheError::new(error)),
        };
        let write = pin!(self.in_time(self.cache.write(&self.key, &bytes, freshness)));
        let written = match guard {
            None => write.await,
            // The clock is read first: it may be too late for even the first byte.
            Some(guard) => match select(guard.loss().ended(), write).await {
                Either::Left(_) => return Stored::TooLate,
                Either::Right((written, _)) => written,
            },
        };
        written.map_or_else(Stored::Failed, |()| Stored::Yes)
    }

    /// An answer of the cache, if it comes in time.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        let shared = self.lock.shared();
        let timer = Timer::new(shared, shared.now().after(self.cache_timeout));
        match select(pin!(answer), timer).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(CacheError::timed_out(self.cache_timeout)),
        }
    }
}

/// Whether it was the nodes that kept somebody from the lock, and not another holder.
///
/// Many who try at once during an outage are in each other's way on the nodes that are left, so it
/// is not enough to ask whether somebody had the resource there.
fn is_outage(error: &Error) -> bool {
    let too_few = |report: &Report| {
        let failed =
            report.nodes().iter().filter(|node| matches!(node.ballot(), Ballot::Failed(_)));
        report.quorum().nodes().saturating_sub(failed.count()) < report.quorum().needed()
    };
    match error {
        Error::Unavailable(_) | Error::TooSlow(_) => true,
        Error::TimedOut { last, .. } => is_outage(last),
        other => other.report().is_some_and(too_few),
    }
}

/// How often it is looked whether there is an outage, while somebody else has the lock or is at it.
const BETWEEN: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
