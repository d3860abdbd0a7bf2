use std::{sync::Arc, time::Duration};

use redlock_core::{ConfigError, Error, Owner, Renewal, Retry, Token};

use crate::{Guard, ReentrantGuard, settings::settings, thread::Thread};

/// [`Lock`](redlock_core::Lock), for code that is not async: a resource, or several,
/// and how to lock it.
#[derive(Clone, Debug)]
pub struct Lock {
    lock: redlock_core::Lock,
    thread: Arc<Thread>,
}

/// [`Reentrant`](redlock_core::Reentrant), for code that is not async: an owner who may take his
/// lock again while he has it. Threads that share it, or clones of it, are that owner together.
#[derive(Clone, Debug)]
pub struct Reentrant {
    lock: redlock_core::Reentrant,
    thread: Arc<Thread>,
}

/// How to acquire, by the names of the async API.
macro_rules! acquire {
    ($lock:ident gives $guard:ident: $($acquire:ident($($given:ident: $what:ty)?)),*) => {
        impl $lock {
            $(
                #[doc = concat!("As [`", stringify!($acquire), "`](redlock_core::", stringify!($lock), "::", stringify!($acquire), ").")]
                ///
                /// # Errors
                ///
                /// Those of the async call, and a [refusal to wait](crate#refusals-to-wait).
                pub fn $acquire(&self, $($given: $what)?) -> Result<$guard, Error> {
                    let guard = self.thread.wait(self.lock.$acquire($($given)?))??;
                    Ok($guard::new(guard, &self.thread))
                }
            )*
        }
    };
}

settings! { Lock around lock:
    ttl: Duration, renewal: Renewal, max_hold: Duration, hold_at_least: Duration, retry: Retry,
    wait: Duration, fencing: bool
}
acquire! { Lock gives Guard:
    try_acquire(), try_acquire_as(token: Token), acquire(), acquire_within(patience: Duration)
}
acquire! { Reentrant gives ReentrantGuard:
    try_acquire(), acquire(), acquire_within(patience: Duration)
}

impl Lock {
    pub(crate) fn new(lock: redlock_core::Lock, thread: &Arc<Thread>) -> Self {
        Self { lock, thread: Arc::clone(thread) }
    }

    pub(crate) fn into_async(self) -> redlock_core::Lock {
        self.lock
    }

    /// With this word on who has the lock: [`Lock::owner`](redlock_core::Lock::owner).
    #[must_use]
    pub fn owner<O>(self, owner: O) -> Self
    where
        O: TryInto<Owner>,
        O::Error: Into<ConfigError>,
    {
        Self { lock: self.lock.owner(owner), thread: self.thread }
    }

    /// Acquires, runs `body`, and releases, whatever happens inside.
    ///
    /// Unlike an async body, a closure cannot be stopped when the lock is lost. It is given the
    /// guard, to [`check`](Guard::check) it before each step that needs the lock, and to hand its
    /// [signal](Guard::loss) to others.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Self::acquire), in which case the body was not run;
    /// [`Error::Lost`] if the lock was lost before the body had ended, whatever that returned.
    ///
    /// # Panics
    ///
    /// If the body does; the lock is released then, too.
    pub fn run<T>(&self, body: impl FnOnce(&Guard) -> T) -> Result<T, Error> {
        let guard = self.acquire()?;
        let value = body(&guard);
        guard.check()?;
        drop(guard);
        Ok(value)
    }

    /// An owner who may acquire this lock again while he has it:
    /// [`Lock::reentrant`](redlock_core::Lock::reentrant).
    #[must_use]
    pub fn reentrant(&self) -> Reentrant {
        Reentrant { lock: self.lock.reentrant(), thread: Arc::clone(&self.thread) }
    }
}
