use std::{fmt, sync::Arc, time::Duration};

use super::{
    error::Error,
    extend::extend,
    hold::Hold,
    loss::LossSignal,
    release::{Asked, Release, release},
    settings::{Checked, Wishes},
};
use crate::{
    Fence, Lease, Renewal, Resource, ResourceSet, Token,
    proto::{
        Ending, LossReason,
        mutant::{self, Mutant},
    },
};

/// A held lock. It turns invalid by itself when its time is over; dropped, it releases in the
/// background.
///
/// Being a guard it does not prove that the lock *is* held, only that it was when it was made: ask
/// [`is_valid`](Self::is_valid) before each step that must not be taken without it, and let the
/// resource check what it can.
#[must_use = "a guard that is dropped releases its lock at once"]
pub struct Guard {
    hold: Arc<Hold>,
}

impl Guard {
    pub(super) const fn keep(hold: Arc<Hold>) -> Self {
        Self { hold }
    }

    /// What is locked; of [several](Self::resources), the one whose name comes first.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        self.resources().first()
    }

    /// All that is locked: one resource, or those of a [set](super::Redlock::lock_all).
    #[must_use]
    pub fn resources(&self) -> &ResourceSet {
        &self.hold.claim.resources
    }

    /// The proof of ownership: what releases or extends this lock from elsewhere.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.hold.claim.token
    }

    /// The word on who has the lock that its token carries, if it was given one:
    /// [`owner`](super::Lock::owner).
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.token().owner()
    }

    /// The lock as plain data, as it stands now: to be shown or written down. It is to be released
    /// or adopted only when this guard has been left without a trace, by a crash for example, for a
    /// release through it makes this guard's promise untrue; to hand the lock on there is
    /// [`into_lease`](Self::into_lease). Once the loss has been told, the lease is
    /// [lost](Lease::lost) as well.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let now = self.hold.shared.now();
        let state = self.hold.state();
        let mut lease = Lease::new(self.resources(), self.token().clone(), state.ttl)
            .valid(state.tenure.remaining(now), state.tenure.until());
        if let Some(fence) = state.tenure.fence() {
            lease = lease.fenced(fence);
        }
        drop(state);
        self.lost_or(lease)
    }

    /// The lease, but lost if the lock is: then its nodes are released, soon or already, so nobody
    /// may go on with it.
    fn lost_or(&self, lease: Lease) -> Lease {
        let ending = self.hold.state().tenure.ending();
        match ending {
            Some(Ending::Lost(reason)) => lease.over(reason),
            _ => lease,
        }
    }

    /// The lock's fencing token: [`Lease::fencing_token`].
    #[must_use]
    pub fn fencing_token(&self) -> Option<Fence> {
        self.hold.state().tenure.fence()
    }

    /// Whether the lock is held at this instant. Reads the clock each time (requirement R6).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.hold.state().tenure.is_valid(self.hold.shared.now())
    }

    /// How much longer the lock is held, if nothing extends it; zero if it is not.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.state().tenure.remaining(self.hold.shared.now())
    }

    /// Extends the lock to at least `ttl` from now, or to the end of its
    /// [longest hold](super::Lock::max_hold) if that is sooner. It never becomes shorter. The
    /// [renewals](super::Lock::renewal) go on with the ttl that the lock was acquired with.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the lock is not held any more: its validity had ended or ended before a
    /// quorum had answered, or so many nodes no longer have it that no quorum is left.
    /// [`Error::Unavailable`] if too few nodes could be asked, or a renewal that began later has taken
    /// its place, because this future was not polled for long for example: the lock is then held at
    /// least until its old end, and extending can be tried again.
    /// [`Error::Config`] for a ttl that cannot be.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lock is held as before, until its old end.
    pub async fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
        self.extend_alone(ttl).await
    }

    /// [`extend`](Self::extend), for a caller who sees to it that nobody else does (R33).
    pub(super) async fn extend_alone(&self, ttl: Duration) -> Result<(), Error> {
        let settings = &self.hold.shared.settings;
        let wishes = Wishes { ttl, renewal: Renewal::off(), max_hold: None, ..settings.wishes };
        let Checked { ttl, node_timeout, .. } = settings.check(wishes)?;
        let _under_way = Extending::begin(&self.hold, node_timeout);
        extend(&self.hold, ttl, node_timeout).await
    }

    /// The lock, or the error that says that it is lost: for the steps of a longer piece of work.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the lock is not held any more.
    pub fn check(&self) -> Result<(), Error> {
        self.hold.ending().map_or(Ok(()), |ending| Err(self.ended_by(ending)))
    }

    pub(super) fn ended_by(&self, ending: Ending) -> Error {
        let reason = match ending {
            Ending::Lost(reason) => reason,
            // Not while there is a guard.
            Ending::Released | Ending::GivenAway => LossReason::Expired,
        };
        Error::lost(self.resources(), reason, None)
    }

    /// Completes when the lock is lost, with the reason: told by a timer on this machine, a little
    /// before validity ends at the latest, whatever the network does; earlier, if so many nodes no
    /// longer have the lock that no quorum is left (requirements R32, R36).
    ///
    /// After a pause of the whole process, or of the machine, it can be late: then the clock is
    /// read first, but only once somebody runs. What must not be done without the lock is preceded
    /// by [`check`](Self::check), and refused by the resource if it can tell.
    ///
    /// # Cancel safety
    ///
    /// Waiting changes nothing.
    pub async fn lost(&self) -> LossReason {
        // A guard that is borrowed here is neither released nor handed on.
        self.loss().lost().await.unwrap_or(LossReason::Expired)
    }

    /// The signal of the loss, for other tasks: it can be cloned, and outlive the guard.
    #[must_use]
    pub fn loss(&self) -> LossSignal {
        LossSignal::new(&self.hold)
    }

    /// How many of the nodes that have the lock could lose it before no quorum is left.
    #[must_use]
    pub fn margin(&self) -> usize {
        let needed = self.hold.shared.quorum.needed();
        self.hold.state().tenure.held().len().saturating_sub(needed)
    }

    /// Gives the lock up and says what came of it.
    ///
    /// The guard is invalid before the first node is asked (requirement R25), and the result is
    /// there when a quorum has answered; slower nodes are released in the background. If too few
    /// answer within the [node timeout](super::RedlockBuilder::node_timeout), it is
    /// [`Unknown`](crate::ReleaseOutcome::Unknown), and they are asked on in the background. A lock
    /// that is to be [held at least](super::Lock::hold_at_least) for longer is
    /// [`Kept`](crate::ReleaseOutcome::Kept), and no node is asked yet.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the rest is done in the background.
    pub async fn release(self) -> Release {
        let now = self.hold.shared.now();
        let ended = self.hold.end(now);
        if self.hold.kept_until(now).is_some() {
            // If it was lost before, that has been seen to.
            if let Some(nodes) = ended {
                self.hold.release_in_background(nodes);
            }
            return Release::kept(&self.hold.shared, &self.hold.claim);
        }
        let turn = self.hold.take_turn();
        let asked = {
            let state = self.hold.state();
            let tenure = &state.tenure;
            // A lock that was lost before has been cleaned up; asking all the same tells what
            // became of it.
            let nodes = ended.unwrap_or(tenure.may_hold().without(tenure.outstanding()));
            let all = self.hold.shared.quorum.all();
            Asked {
                nodes,
                without: all.without(tenure.may_hold()).without(tenure.outstanding()),
                began: now,
                forgotten: tenure.forgotten(),
                node_timeout: self.hold.node_timeout,
                turn,
            }
        };
        release(&self.hold.shared, Arc::clone(&self.hold.claim), asked).await
    }

    /// Takes the lock out of its guard. Nothing extends or releases it any more but whoever has
    /// the lease: [`Redlock::adopt`](super::Redlock::adopt),
    /// [`release`](super::Redlock::release), [`extend`](super::Redlock::extend).
    ///
    /// Of a lock whose loss has been told there is nothing to hand on: its nodes are released in the
    /// background, so the lease is [lost](Lease::lost), here and wherever it is sent, and can only
    /// be released.
    ///
    /// A node that has not answered yet is not known to them: if it grants only after they have
    /// released, it keeps the key until the ttl is over.
    #[must_use = "without its lease the lock stays until its ttl is over"]
    pub fn into_lease(self) -> Lease {
        let lease = self.lease();
        self.hold.give_away();
        // It may have been lost in between.
        self.lost_or(lease)
    }
}

/// The mark that the holder himself is extending his lock, so that nobody else does.
struct Extending<'a>(&'a Hold);

impl<'a> Extending<'a> {
    fn begin(hold: &'a Hold, node_timeout: Duration) -> Self {
        let until = hold.shared.now().after(node_timeout);
        hold.state().extending = Some(until);
        Self(hold)
    }
}

impl Drop for Extending<'_> {
    fn drop(&mut self) {
        self.0.state().extending = None;
    }
}

impl Drop for Guard {
    /// Neither blocks nor needs a runtime on this thread (requirement R27).
    fn drop(&mut self) {
        if mutant::is(Mutant::RenewedUnguarded) {
            return std::mem::forget(Arc::clone(&self.hold));
        }
        if self.hold.has_ended() {
            return;
        }
        let nodes = self.hold.end(self.hold.shared.now());
        if let Some(nodes) = nodes
            && !mutant::is(Mutant::DroppedKept)
        {
            self.hold.release_in_background(nodes);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("resources", self.resources())
            .field("token", self.token())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
