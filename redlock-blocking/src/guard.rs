use std::{fmt, sync::Arc, time::Duration};

use redlock_core::{Error, Fence, Lease, LossReason, Release, Resource, ResourceSet, Token};

use crate::{LossSignal, thread::Thread};

/// What is asked of a guard without waiting, by the names of the async API.
macro_rules! reads {
    ($guard:ident: $($name:ident -> $answer:ty),*) => {
        impl $guard {
            $(
                #[doc = concat!("As [`Guard::", stringify!($name), "`](redlock_core::Guard::", stringify!($name), ").")]
                #[must_use = "asking changes nothing"]
                pub fn $name(&self) -> $answer {
                    self.held().$name()
                }
            )*
        }
    };
}

/// A guard around one of the async API, with all that both kinds have in common.
macro_rules! guard {
    ($(#[$doc:meta])* $guard:ident around $held:ty) => {
        $(#[$doc])*
        #[must_use = "a guard that is dropped gives its lock up at once"]
        pub struct $guard {
            /// `None` once it has been taken out, by what consumes the guard.
            held: Option<$held>,
            thread: Arc<Thread>,
        }

        impl $guard {
            pub(crate) fn new(held: $held, thread: &Arc<Thread>) -> Self {
                Self { held: Some(held), thread: Arc::clone(thread) }
            }

            /// Waits until the lock is lost, at most for `limit`. Returns the reason, or `None` if
            /// it is still held then.
            ///
            /// # Errors
            ///
            /// [`Error::InsideRuntime`].
            pub fn lost(&self, limit: Duration) -> Result<Option<LossReason>, Error> {
                self.loss().lost(limit)
            }

            /// The signal of the loss, for other threads.
            #[must_use]
            pub fn loss(&self) -> LossSignal {
                LossSignal::new(self.held().loss(), &self.thread)
            }

            /// Extends the lock to at least `ttl` from now. It never becomes shorter.
            ///
            /// # Errors
            ///
            /// Those of [`Guard::extend`](redlock_core::Guard::extend), and [`Error::InsideRuntime`].
            pub fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
                self.thread.wait(self.held.as_mut().expect(HELD).extend(ttl))?
            }

            fn held(&self) -> &$held {
                self.held.as_ref().expect(HELD)
            }
        }

        reads! { $guard:
            resource -> &Resource, resources -> &ResourceSet, token -> &Token, owner -> Option<&str>, lease -> Lease, fencing_token -> Option<Fence>,
            is_valid -> bool, remaining -> Duration, margin -> usize, check -> Result<(), Error>
        }

        impl Drop for $guard {
            fn drop(&mut self) {
                // One that is lost has been cleaned up. What is dropped without waiting leaves its
                // release to the background by itself.
                if let Some(held) = self.held.take().filter(|held| held.check().is_ok()) {
                    self.thread.wait_a_while(async move { drop(held.release().await) });
                }
            }
        }

        impl fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.held().fmt(f)
            }
        }
    };
}

guard! {
    /// [`Guard`](redlock_core::Guard), for code that is not async: a held lock.
    ///
    /// Dropped, on whatever thread, it releases and waits for that: for the answer of a quorum, at
    /// most for a second. Inside an async runtime it does not wait.
    Guard around redlock_core::Guard
}

guard! {
    /// [`ReentrantGuard`](redlock_core::ReentrantGuard), for code that is not async. The last guard of its
    /// owner that is dropped releases, and waits for that.
    ReentrantGuard around redlock_core::ReentrantGuard
}

impl Guard {
    /// Gives the lock up and says what came of it: [`Guard::release`](redlock_core::Guard::release).
    ///
    /// # Errors
    ///
    /// [`Error::InsideRuntime`]; the lock is then released in the background.
    pub fn release(mut self) -> Result<Release, Error> {
        self.thread.wait(self.held.take().expect(HELD).release())
    }

    /// Takes the lock out of its guard: [`Guard::into_lease`](redlock_core::Guard::into_lease).
    #[must_use = "without its lease the lock stays until its ttl is over"]
    pub fn into_lease(mut self) -> Lease {
        self.held.take().expect(HELD).into_lease()
    }
}

impl ReentrantGuard {
    /// Gives this guard up. The last one gives up the lock, and says what came of it; with others
    /// left, that is `None`, and no node is asked.
    ///
    /// # Errors
    ///
    /// [`Error::InsideRuntime`]; it is then given up in the background.
    pub fn release(mut self) -> Result<Option<Release>, Error> {
        self.thread.wait(self.held.take().expect(HELD).release())
    }

    /// How many guards of this hold there are, this one included.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.held().depth()
    }
}

/// Why there is one: only what consumes a guard takes it out.
const HELD: &str = "a guard has its lock until it is consumed";
