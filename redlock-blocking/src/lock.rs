use std::{sync::Arc, time::Duration};

use redlock_core::{Error, Renewal, Retry};

use crate::{Guard, ReentrantGuard, thread::Thread};

/// [`Lock`](redlock_core::Lock), for code that is not async: a resource and how to lock it.
#[derive(Clone, Debug)]
pub struct Lock {
    lock: redlock_core::Lock,
    thread: Arc<Thread>,
}

/// [`Reentrant`](redlock_core::Reentrant), for code that is not async: an owner who may take his lock again
/// while he has it. Threads that share it, or clones of it, are that owner together.
#[derive(Clone, Debug)]
pub struct Reentrant {
    lock: redlock_core::Reentrant,
    thread: Arc<Thread>,
}

/// The settings of a lock, by the names of the async API.
macro_rules! settings {
    ($($set:ident: $value:ty),*) => {
        impl Lock {
            $(
                #[doc = concat!("As [`Lock::", stringify!($set), "`](redlock_core::Lock::", stringify!($set), ").")]
                #[must_use]
                pub fn $set(self, $set: $value) -> Self {
                    Self { lock: self.lock.$set($set), thread: self.thread }
                }
            )*
        }
    };
}

/// How to acquire, by the names of the async API.
macro_rules! acquire {
    ($lock:ident gives $guard:ident: $($acquire:ident($($patience:ident)?)),*) => {
        impl $lock {
            $(
                #[doc = concat!("As [`", stringify!($acquire), "`](redlock_core::", stringify!($lock), "::", stringify!($acquire), ").")]
                ///
                /// # Errors
                ///
                /// Those of the async call, and [`Error::InsideRuntime`].
                pub fn $acquire(&self, $($patience: Duration)?) -> Result<$guard, Error> {
                    let guard = self.thread.wait(self.lock.$acquire($($patience)?))??;
                    Ok($guard::new(guard, &self.thread))
                }
            )*
        }
    };
}

settings! {
    ttl: Duration, renewal: Renewal, max_hold: Duration, hold_at_least: Duration, retry: Retry,
    wait: Duration, fencing: bool
}
acquire!(Lock gives Guard: try_acquire(), acquire(), acquire_within(patience));
acquire!(Reentrant gives ReentrantGuard: try_acquire(), acquire(), acquire_within(patience));

impl Lock {
    pub(crate) fn new(lock: redlock_core::Lock, thread: &Arc<Thread>) -> Self {
        Self { lock, thread: Arc::clone(thread) }
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

    /// An owner who may acquire this lock again while he has it: [`Lock::reentrant`](redlock_core::Lock::reentrant).
    #[must_use]
    pub fn reentrant(&self) -> Reentrant {
        Reentrant { lock: self.lock.reentrant(), thread: Arc::clone(&self.thread) }
    }
}
