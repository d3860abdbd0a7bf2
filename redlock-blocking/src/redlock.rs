use std::{sync::Arc, time::Duration};

use redlock_core::{ConfigError, Error, Lease, Quorum, RedlockBuilder, Release, Resource};
use tokio::time::timeout;

use crate::{Guard, Lock, StartError, thread::Thread};

/// [`Redlock`](redlock_core::Redlock), for code that is not async. Cheap to clone and to share between
/// threads; all clones use one background thread.
#[derive(Clone, Debug)]
pub struct Redlock {
    thread: Arc<Thread>,
}

impl Redlock {
    /// Builds a redlock and starts its background thread. The settings are those of the async one.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the settings cannot go together, or there is no thread to be had.
    pub fn new(builder: RedlockBuilder) -> Result<Self, StartError> {
        Self::over(builder.build()?)
    }

    pub(crate) fn over(redlock: redlock_core::Redlock) -> Result<Self, StartError> {
        let thread = Thread::start(redlock).map_err(StartError::Thread)?;
        Ok(Self { thread: Arc::new(thread) })
    }

    pub(crate) const fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    /// The lock of a resource: [`Redlock::lock`](redlock_core::Redlock::lock).
    pub fn lock<R>(&self, resource: R) -> Lock
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        Lock::new(self.thread.redlock.lock(resource), &self.thread)
    }

    /// The lock of several resources together: [`Redlock::lock_all`](redlock_core::Redlock::lock_all).
    pub fn lock_all<R>(&self, resources: impl IntoIterator<Item = R>) -> Lock
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        Lock::new(self.thread.redlock.lock_all(resources), &self.thread)
    }

    /// Releases a lease that no guard here keeps: [`Redlock::release`](redlock_core::Redlock::release).
    ///
    /// # Errors
    ///
    /// A [refusal to wait](crate#refusals-to-wait).
    pub fn release(&self, lease: &Lease) -> Result<Release, Error> {
        self.thread.wait(self.thread.redlock.release(lease))
    }

    /// Extends a lease that no guard here keeps: [`Redlock::extend`](redlock_core::Redlock::extend).
    ///
    /// # Errors
    ///
    /// Those of [`Redlock::extend`](redlock_core::Redlock::extend), and a
    /// [refusal to wait](crate#refusals-to-wait).
    pub fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error> {
        self.thread.wait(self.thread.redlock.extend(lease, ttl))?
    }

    /// Goes on with a lease: [`Redlock::adopt`](redlock_core::Redlock::adopt).
    ///
    /// # Errors
    ///
    /// Those of [`Redlock::adopt`](redlock_core::Redlock::adopt), and a
    /// [refusal to wait](crate#refusals-to-wait).
    pub fn adopt(&self, lease: &Lease) -> Result<Guard, Error> {
        let guard = self.thread.wait(self.thread.redlock.adopt(lease))??;
        Ok(Guard::new(guard, &self.thread))
    }

    /// The labels of the nodes, in the order in which they were given.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.thread.redlock.nodes()
    }

    /// How many nodes there are and how many must agree.
    #[must_use]
    pub fn quorum(&self) -> Quorum {
        self.thread.redlock.quorum()
    }

    /// Waits until the clean-up that is under way in the background has ended, at most for `limit`.
    /// Returns whether it has: [`Redlock::settled`](redlock_core::Redlock::settled).
    ///
    /// # Errors
    ///
    /// A [refusal to wait](crate#refusals-to-wait).
    pub fn settled(&self, limit: Duration) -> Result<bool, Error> {
        self.thread.wait(async { timeout(limit, self.thread.redlock.settled()).await.is_ok() })
    }
}
