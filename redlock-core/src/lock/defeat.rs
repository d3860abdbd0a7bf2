use std::{sync::Arc, time::Duration};

use super::{
    aftermath::{Aftermath, Fate, OrReaper, undo_all},
    calls::{Answer, Ask},
    error::Error,
    in_flight::InFlight,
    pursuit::Pursuit,
    report::{Action, Report},
};
use crate::proto::{
    LossReason, Moment, NodeSet, Verdict,
    mutant::{self, Mutant},
};

/// What becomes of an attempt that comes to no lock: it is told, and undone.
impl Pursuit<'_> {
    pub(super) fn error(&self, verdict: Verdict) -> Error {
        let tally = self.attempt.tally();
        let report = Report::new(
            self.shared,
            match self.what {
                Ask::Acquire(_) | Ask::AcquireCounted(..) | Ask::Raise(_) => Action::Acquire,
                Ask::Extend(_) => Action::Extend,
                Ask::Release | Ask::ReleaseAndTell => Action::Release,
            },
            &self.claim.resources,
            tally.clone(),
            self.errors.clone(),
            self.patience,
        );
        let lost = tally.refused().len() >= self.shared.quorum.blocking();
        match (self.what, verdict) {
            // Of a lease whose end nobody here knows, only what it was to have has ended.
            (Ask::Extend(_), Verdict::TooLate) if self.attempt.old_end().is_some() => {
                Error::lost(&self.claim.resources, LossReason::Expired, Some(report))
            }
            (Ask::Extend(_), Verdict::TooLate) => Error::TooSlow(Box::new(report)),
            (Ask::Extend(_), _) if lost => {
                Error::lost(&self.claim.resources, LossReason::QuorumLost, Some(report))
            }
            (Ask::Extend(_), _) => Error::Unavailable(Box::new(report)),
            _ => Error::from_verdict(verdict, report),
        }
    }

    /// Undoes the attempt. What has been set for certain is released before this returns, as far
    /// as there is time, so that the caller's next attempt does not meet it; the rest, about which
    /// nodes have yet to answer, is left to the reaper.
    pub(super) async fn clean_up(mut self, deadline: Option<Moment>, node_timeout: Duration) {
        let release = self.abandon();
        let certain = release.and(self.attempt.tally().granted());
        self.undo_in_background(release.without(certain));
        if certain.is_empty() {
            return;
        }
        let (shared, claim) = (Arc::clone(self.shared), Arc::clone(&self.claim));
        let undoing = undo_all(shared, claim, certain, self.attempt.forgotten(), clean_up());
        let enough = self.shared.now().after(node_timeout);
        let stop = deadline.map_or(enough, |deadline| deadline.min(enough));
        OrReaper::new(self.shared, Box::pin(undoing)).until(stop).await;
    }

    fn undo_in_background(&self, nodes: NodeSet) {
        if !nodes.is_empty() {
            let (shared, claim) = (Arc::clone(self.shared), Arc::clone(&self.claim));
            let forgotten = self.attempt.forgotten();
            self.shared.reaper.take(undo_all(shared, claim, nodes, forgotten, clean_up()));
        }
    }

    /// Hands the calls that have not returned to the reaper. Returns the nodes that are to be
    /// released now.
    ///
    /// Polls nothing: this may be a `Drop` after the end of the runtime, whose timers panic then.
    fn abandon(&mut self) -> NodeSet {
        let Some(calls) = self.calls.take() else {
            return NodeSet::EMPTY;
        };
        let mut orders = self.attempt.give_up();
        let overtakes = mutant::is(Mutant::ReleaseOvertakes);
        if overtakes {
            orders.release = orders.release.union(orders.outstanding);
        }
        let calls = calls.into_unfinished();
        let (undo, attempt) = (self.undo, self.attempt.clone());
        if !calls.is_empty() {
            let aftermath = self.aftermath(calls, orders.outstanding, self.attempt.forgotten());
            self.shared.reaper.take(aftermath.settle(move |node, ballot| {
                let release = undo && !overtakes && attempt.may_hold(node, ballot);
                if release { Fate::Release } else { Fate::Forget }
            }));
        }
        if undo { orders.release } else { NodeSet::EMPTY }
    }

    pub(super) fn aftermath(
        &self,
        calls: InFlight<Answer>,
        outstanding: NodeSet,
        give_up: Moment,
    ) -> Aftermath {
        let (shared, claim) = (Arc::clone(self.shared), Arc::clone(&self.claim));
        let lifetime = self.terms.timing.kept(self.terms.ttl);
        Aftermath { shared, claim, calls, outstanding, give_up, lifetime, release: clean_up() }
    }
}

impl Drop for Pursuit<'_> {
    /// The caller has gone, or panicked: undo everything in the background (R21, R26).
    fn drop(&mut self) {
        if mutant::is(Mutant::CancelledKept) {
            self.undo = false;
        }
        let release = self.abandon();
        self.undo_in_background(release);
        self.told.cancelled(&self.claim.token, &self.attempt);
    }
}

/// Nobody is told of what an attempt leaves behind: those who wait would all come, fail, and leave
/// as much behind themselves (requirement R50).
fn clean_up() -> Ask {
    if mutant::is(Mutant::CleanUpTells) { Ask::ReleaseAndTell } else { Ask::Release }
}
