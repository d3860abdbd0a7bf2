use std::sync::Arc;

use redlock_core::{ConfigError, Error, Reset, Resource, Status};

use crate::{Listing, Redlock};

/// Looking at locks, and taking them away.
impl Redlock {
    /// Tells how it stands with a resource: [`Redlock::inspect`](redlock_core::Redlock::inspect).
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait).
    pub fn inspect<R>(&self, resource: R) -> Result<Status, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        self.thread().wait(self.thread().redlock.inspect(resource))?
    }

    /// Whether somebody has the lock of this resource:
    /// [`Redlock::is_locked`](redlock_core::Redlock::is_locked).
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait).
    pub fn is_locked<R>(&self, resource: R) -> Result<bool, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        self.thread().wait(self.thread().redlock.is_locked(resource))?
    }

    /// Takes a resource away from whoever has it, which **breaks mutual exclusion** unless he is
    /// gone: [`Redlock::reset`](redlock_core::Redlock::reset).
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait).
    pub fn reset<R>(&self, resource: R) -> Result<Reset, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        self.thread().wait(self.thread().redlock.reset(resource))?
    }

    /// Lists the locks whose resource begins with `prefix`, one after the other:
    /// [`Redlock::list`](redlock_core::Redlock::list).
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait). What nodes could not
    /// do comes in the listing.
    pub fn list(&self, prefix: impl Into<Arc<str>>) -> Result<Listing, Error> {
        let listed = self.thread().wait(async { self.thread().redlock.list(prefix) })??;
        Ok(Listing::new(listed, self.thread()))
    }

    /// Resets every lock whose resource begins with `prefix`, and tells what was removed. It is
    /// done as the listing is iterated, to its end:
    /// [`Redlock::reset_all`](redlock_core::Redlock::reset_all).
    ///
    /// # Errors
    ///
    /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait). What nodes could not
    /// do comes in the listing.
    pub fn reset_all(&self, prefix: impl Into<Arc<str>>) -> Result<Listing, Error> {
        let reset = self.thread().wait(async { self.thread().redlock.reset_all(prefix) })??;
        Ok(Listing::new(reset, self.thread()))
    }
}
