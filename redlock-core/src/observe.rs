//! The port to those who look on: [`Observer`], and the events that it is told.

mod acquiring;
mod holding;
mod onlookers;
mod warning;

use std::fmt;

pub use acquiring::{
    Acquired, AttemptOutcome, Attempted, Contended, GaveUp, GaveUpReason, Waited, Waiting,
};
pub use holding::{
    Adopted, Extended, ExtendedBy, Freed, HandedOn, Healed, Lost, NodeFailed, NotExtended, Released,
};
pub(crate) use onlookers::Onlookers;
pub use warning::Warning;

/// Somebody who wants to know what happens around locks.
///
/// One method for each kind of event, and each does nothing unless it is written: a new kind breaks
/// nobody. What an event tells are borrowed fields that can only grow in number; whoever wants to
/// keep something copies it. A lock of several resources is told as one, and named by all of them.
/// No event carries a [`Token`](crate::Token), with which a lock could be released: a lock is told
/// by its [`Fingerprint`](crate::Fingerprint), the same in all of its events.
///
/// # What can be relied on
///
/// * Each call of `acquire`, `acquire_within` or `try_acquire` that was given a usable name and
///   settings has one end: it has a lock, or it [gave up](Self::gave_up).
/// * Each lock that was [acquired](Self::acquired) or [adopted](Self::adopted) has one end, of three:
///   [`lost`](Self::lost), [`released`](Self::released) or [`handed_on`](Self::handed_on). To count
///   the locks that are held, add one at the former and take one off at the latter.
/// * Each [`waiting`](Self::waiting) is followed by one [`waited`](Self::waited).
/// * For that a lock which nobody renews is looked after as well: its loss is told when it happens,
///   also if its guard was forgotten.
/// * A process that ends tells nothing more; neither does a guard that is leaked with
///   [`Duration::MAX`](std::time::Duration::MAX) as its longest hold.
///
/// # How it is called
///
/// Where it happens, by whoever it happens to, on the way of the lock, with nothing locked: from any
/// thread and several at once, also from a `Drop`. What takes time belongs elsewhere, for example
/// behind a channel. An observer that panics costs nobody a lock: the panic ends there, the others
/// are told all the same, and it is called again for the next event.
///
/// Without an observer no clock is read, nothing is allocated and nothing is formatted for it.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something works less well than it could, for a reason that only its operator can change.
    /// Said once for each node and reason, unless the reason says otherwise.
    fn warned(&self, warning: &Warning) {
        let _ = warning;
    }

    /// One round over the nodes for a lock has been decided, or was cancelled before.
    fn attempted(&self, event: &Attempted<'_>) {
        let _ = event;
    }

    /// An attempt met somebody else who has the lock, or is taking it at the same time. It follows
    /// the [`attempted`](Self::attempted) of that attempt.
    fn contended(&self, event: &Contended<'_>) {
        let _ = event;
    }

    /// A call has to wait for a lock: others of this process are before it, or its first attempt has
    /// failed. Said once for each call.
    fn waiting(&self, event: &Waiting<'_>) {
        let _ = event;
    }

    /// A call waits no longer: it has the lock, gives up, or was cancelled, which is told next.
    fn waited(&self, event: &Waited<'_>) {
        let _ = event;
    }

    /// A lock was acquired.
    fn acquired(&self, event: &Acquired<'_>) {
        let _ = event;
    }

    /// A call has ended without a lock.
    fn gave_up(&self, event: &GaveUp<'_>) {
        let _ = event;
    }

    /// A lease that came from elsewhere is kept here from now on, or was for as long as it took to
    /// [extend](crate::Redlock::extend) it.
    fn adopted(&self, event: &Adopted<'_>) {
        let _ = event;
    }

    /// A lock was extended.
    fn extended(&self, event: &Extended<'_>) {
        let _ = event;
    }

    /// An extension failed, and the lock is held as before, until its old end.
    fn not_extended(&self, event: &NotExtended<'_>) {
        let _ = event;
    }

    /// A node that had lost the key of a held lock has it again.
    fn healed(&self, event: &Healed<'_>) {
        let _ = event;
    }

    /// A lock was lost, and its holder has been told.
    fn lost(&self, event: &Lost<'_>) {
        let _ = event;
    }

    /// A lock was given up by its holder, who released or dropped the guard. Its nodes are asked
    /// next, or when its [shortest hold](crate::Lock::hold_at_least) is over.
    fn released(&self, event: &Released<'_>) {
        let _ = event;
    }

    /// A lock was taken out of its guard: somebody else goes on with it.
    fn handed_on(&self, event: &HandedOn<'_>) {
        let _ = event;
    }

    /// Nodes were asked to release a lock, and this came of it.
    ///
    /// Told where somebody waits for that: who called `release`, or who is next in this process. Of
    /// other guards that were dropped nobody learns what became of the keys, which end with their
    /// ttl at the latest.
    fn freed(&self, event: &Freed<'_>) {
        let _ = event;
    }

    /// A node failed a call to take, extend or release a lock, or has not answered it within the
    /// [node timeout](crate::RedlockBuilder::node_timeout) of the redlock, which is 100 ms unless it is
    /// set. Told once for each such call, whoever waits for it by then.
    fn node_failed(&self, event: &NodeFailed<'_>) {
        let _ = event;
    }
}
