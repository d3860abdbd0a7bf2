use std::{fmt, mem, sync::Arc, time::Duration};

use redlock_core::{Error, Fence, Lease, LossReason, Release, Resource, ResourceSet, Token};
use scopeguard::ScopeGuard;

use crate::{LossSignal, thread::Thread};

/// What is asked of a guard without waiting, by the names of the async API.
macro_rules! reads {
    ($guard:ident: $($name:ident -> $answer:ty),*) => {
        impl $guard {
            $(
                #[doc = concat!("As [`Guard::", stringify!($name), "`](redlock_core::Guard::", stringify!($name), ").")]
                #[must_use = "asking changes nothing"]
                pub fn $name(&self) -> $answer {
                    self.kept.held.$name()
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
            /// Given up when it is dropped, unless what consumes the guard has taken it out.
            kept: ScopeGuard<Kept<$held>, fn(Kept<$held>)>,
        }

        impl $guard {
            pub(crate) fn new(held: $held, thread: &Arc<Thread>) -> Self {
                let kept = Kept { held, thread: Arc::clone(thread) };
                Self { kept: scopeguard::guard(kept, Self::give_up) }
            }

            /// Waits until the lock is lost, at most for `limit`. Returns the reason, or `None` if
            /// it is still held then: [`Guard::lost`](redlock_core::Guard::lost).
            ///
            /// # Errors
            ///
            /// A [refusal to wait](crate#refusals-to-wait).
            pub fn lost(&self, limit: Duration) -> Result<Option<LossReason>, Error> {
                self.loss().lost(limit)
            }

            /// The signal of the loss, for other threads.
            #[must_use]
            pub fn loss(&self) -> LossSignal {
                LossSignal::new(self.kept.held.loss(), &self.kept.thread)
            }

            /// Extends the lock to at least `ttl` from now. It never becomes shorter.
            ///
            /// # Errors
            ///
            /// Those of [`Guard::extend`](redlock_core::Guard::extend), and a
            /// [refusal to wait](crate#refusals-to-wait).
            pub fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
                let Kept { held, thread } = &mut *self.kept;
                thread.wait(held.extend(ttl))?
            }

            fn give_up(Kept { held, thread }: Kept<$held>) {
                if thread.is_elsewhere() {
                    return mem::forget(held);
                }
                // One that is lost has been cleaned up. What is dropped without waiting leaves its
                // release to the background by itself.
                match held.check() {
                    Ok(()) => thread.wait_a_while(async move { drop(held.release().await) }),
                    Err(_) => drop(held),
                }
            }
        }

        reads! { $guard:
            resource -> &Resource, resources -> &ResourceSet, token -> &Token, owner -> Option<&str>, lease -> Lease, fencing_token -> Option<Fence>,
            is_valid -> bool, remaining -> Duration, margin -> usize, check -> Result<(), Error>
        }

        impl fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.kept.held.fmt(f)
            }
        }
    };
}

/// A guard of the async API, and the thread on which it is kept and given up.
struct Kept<G> {
    held: G,
    thread: Arc<Thread>,
}

guard! {
    /// [`Guard`](redlock_core::Guard), for code that is not async: a held lock.
    ///
    /// Dropped, on whatever thread, it releases and waits for that: for the answer of a quorum, at
    /// most for a second. Inside an async runtime it does not wait, and is released in the
    /// background. After a fork the child's copy releases nothing, for the lock is the parent's.
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
    /// A [refusal to wait](crate#refusals-to-wait); the lock is then given up as by a drop.
    pub fn release(self) -> Result<Release, Error> {
        let Kept { held, thread } = ScopeGuard::into_inner(self.kept);
        thread.wait(held.release())
    }

    /// Takes the lock out of its guard: [`Guard::into_lease`](redlock_core::Guard::into_lease).
    #[must_use = "without its lease the lock stays until its ttl is over"]
    pub fn into_lease(self) -> Lease {
        ScopeGuard::into_inner(self.kept).held.into_lease()
    }
}

impl ReentrantGuard {
    /// Gives this guard up. The last one gives up the lock, and says what came of it; with others
    /// left, that is `None`, and no node is asked.
    ///
    /// # Errors
    ///
    /// A [refusal to wait](crate#refusals-to-wait); it is then given up as by a drop.
    pub fn release(self) -> Result<Option<Release>, Error> {
        let Kept { held, thread } = ScopeGuard::into_inner(self.kept);
        thread.wait(held.release())
    }

    /// How many guards of this hold there are, this one included.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.kept.held.depth()
    }
}
