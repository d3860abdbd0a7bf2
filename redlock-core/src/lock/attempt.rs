use std::{future::Future, sync::Arc, time::Duration};

use futures::stream::FuturesUnordered;

use super::{
    aftermath::{Aftermath, Fate, OrReaper, undo_all},
    calls::{Answer, Ask, Calls, Claim, Event, ask},
    error::Error,
    guard::Guard,
    hold::Hold,
    queue::Turn,
    report::{Action, Report},
    settings::Terms,
    shared::Shared,
};
use crate::{
    Lease, NodeError,
    proto::{
        Attempt, LossReason, Moment, NodeSet, Progress, Tenure, Verdict,
        mutant::{self, Mutant},
    },
};

/// Asks every node once for the lock, within the node timeout and the deadline. The lock keeps the
/// turn, if there is one.
///
/// # Cancel safety
///
/// Dropped at any point, everything that may have been set is released in the background.
pub(super) async fn acquire(
    shared: &Arc<Shared>,
    terms: &Terms,
    deadline: Option<Moment>,
    turn: Option<Turn>,
) -> Result<Guard, Error> {
    shared.start(terms)?;
    let claim = Claim { resource: terms.resource.clone(), token: shared.fresh_token()? };
    // Before the first byte is sent, and anew for each attempt (R2): validity counts from here.
    let started = shared.now();
    let attempt = Attempt::start(shared.quorum, terms.ttl, terms.timing, started);
    let asked = Ask::Acquire(terms.timing.lifetime(terms.ttl));
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, deadline);
    pursuit.turn = turn;
    match pursuit.decide().await {
        Ok(guard) => guard.of_distinct_servers().await,
        Err(verdict) => {
            let error = pursuit.error(verdict);
            pursuit.clean_up(deadline, terms.node_timeout).await;
            Err(error)
        }
    }
}

/// Asks every node once to extend a lease that no guard here keeps.
///
/// # Cancel safety
///
/// Dropped at any point, the lease is as it was, or extended on some nodes.
pub(super) async fn adopt(
    shared: &Arc<Shared>,
    lease: &Lease,
    terms: &Terms,
) -> Result<Guard, Error> {
    shared.start(terms)?;
    let claim = Claim { resource: lease.resource().clone(), token: lease.token().clone() };
    let started = shared.now();
    if lease.until().is_some_and(|until| started >= until) {
        // Never extended after its end: somebody else may have held it since (R29).
        return Err(Error::lost(&claim.resource, LossReason::Expired, None));
    }
    let attempt = Attempt::resume(shared.quorum, terms.ttl, terms.timing, started, lease.until());
    let asked = Ask::Extend(terms.timing.lifetime(terms.ttl));
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, None);
    match pursuit.decide().await {
        Ok(guard) => match shared.same_server() {
            None => Ok(guard),
            // Counted by nodes that must not be, it is not a lock to go on with here. But whoever
            // handed it over may still hold it, so it is not released (R31).
            Some(error) => {
                drop(guard.into_lease());
                Err(error.into())
            }
        },
        Err(verdict) => {
            let error = pursuit.error(verdict);
            // A lease that could not be extended stays as it is (R31), one that is lost does not.
            pursuit.undo = matches!(error, Error::Lost { .. });
            pursuit.clean_up(None, terms.node_timeout).await;
            Err(error)
        }
    }
}

/// One attempt under way. Dropped, it leaves what is in flight to the reaper.
struct Pursuit<F: Future<Output = Answer> + Send + 'static> {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    attempt: Attempt,
    what: Ask,
    terms: Terms,
    /// How long the nodes have to answer.
    patience: Duration,
    /// Whether giving up means to release what the nodes have.
    undo: bool,
    /// `None` once they have been handed on.
    calls: Option<Calls<F>>,
    errors: Vec<(usize, NodeError)>,
    /// For the lock that may come of it.
    turn: Option<Turn>,
}

fn pursue(
    shared: &Arc<Shared>,
    claim: Claim,
    attempt: Attempt,
    what: Ask,
    terms: &Terms,
    deadline: Option<Moment>,
) -> Pursuit<impl Future<Output = Answer> + Send + 'static + use<>> {
    let claim = Arc::new(claim);
    let started = attempt.started();
    let enough = started.after(terms.node_timeout);
    let stop = deadline.map_or(enough, |deadline| deadline.min(enough));
    Pursuit {
        calls: Some(ask(shared, shared.quorum.all(), &claim, what, stop)),
        shared: Arc::clone(shared),
        claim,
        attempt,
        undo: matches!(what, Ask::Acquire(_)),
        what,
        terms: terms.clone(),
        patience: stop.since(started),
        errors: Vec::new(),
        turn: None,
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Pursuit<F> {
    /// Counts the answers until the attempt is decided. Returns at the answer that decides, not at
    /// the slowest node's (R24).
    async fn decide(&mut self) -> Result<Guard, Verdict> {
        loop {
            let event = match &mut self.calls {
                Some(calls) => calls.next().await,
                None => Event::Over,
            };
            // Read after the answer is in hand (R5).
            let now = self.shared.now();
            let progress = match event {
                Event::Answered(answer) => {
                    let progress = self.enter(answer, now);
                    if !matches!(progress, Progress::Open) {
                        self.shared.pulse.beat(now.since(self.attempt.started()));
                    }
                    progress
                }
                Event::Over => self.attempt.timed_out(now),
            };
            match progress {
                Progress::Open => {}
                Progress::Granted(tenure) => return Ok(self.hold(tenure)),
                Progress::Failed(verdict) => {
                    self.drain();
                    return Err(verdict);
                }
            }
        }
    }

    /// Takes in the answers that are there already: what is known need not be waited for later.
    fn drain(&mut self) {
        while let Some(answer) = self.calls.as_mut().and_then(Calls::ready) {
            self.enter(answer, self.shared.now());
        }
    }

    fn enter(&mut self, answer: Answer, now: Moment) -> Progress {
        let progress = self.attempt.answered(answer.node, answer.ballot(), now);
        if let Err(error) = answer.result {
            self.errors.push((answer.node, error));
        }
        progress
    }

    /// Makes the guard, and leaves the calls that have not returned to the reaper: their yeses
    /// join the lock while it is held, and are released afterwards.
    fn hold(&mut self, mut tenure: Tenure) -> Guard {
        let mut unfinished = None;
        if let Some(mut calls) = self.calls.take() {
            while let Some(answer) = calls.ready() {
                // The lock is held, so this can only be one more vote, or one less to wait for.
                tenure.late(answer.node, answer.ballot());
            }
            unfinished = Some(calls.into_unfinished());
        }
        let (outstanding, give_up) = (tenure.outstanding(), tenure.forgotten());
        let started = self.attempt.started();
        let turn = self.turn.take();
        let hold = Hold::begin(&self.shared, &self.claim, tenure, &self.terms, started, turn);
        if let Some(calls) = unfinished.filter(|calls| !calls.is_empty()) {
            let aftermath = self.aftermath(calls, outstanding, give_up);
            let hold = Arc::clone(&hold);
            self.shared.reaper.take(aftermath.settle(move |node, ballot| hold.late(node, ballot)));
        }
        Guard::keep(hold)
    }

    fn error(&self, verdict: Verdict) -> Error {
        let tally = self.attempt.tally();
        let report = Report::new(
            &self.shared,
            match self.what {
                Ask::Acquire(_) => Action::Acquire,
                Ask::Extend(_) => Action::Extend,
                Ask::Release | Ask::ReleaseAndTell => Action::Release,
            },
            &self.claim.resource,
            &tally,
            &self.errors,
            self.patience,
        );
        let lost = tally.refused().len() >= self.shared.quorum.blocking();
        match (self.what, verdict) {
            (Ask::Extend(_), Verdict::TooLate) => {
                Error::lost(&self.claim.resource, LossReason::Expired, Some(report))
            }
            (Ask::Extend(_), _) if lost => {
                Error::lost(&self.claim.resource, LossReason::QuorumLost, Some(report))
            }
            (Ask::Extend(_), _) => Error::Unavailable(Box::new(report)),
            _ => Error::from_verdict(verdict, report),
        }
    }

    /// Undoes the attempt. What has been set for certain is released before this returns, as far
    /// as there is time, so that the caller's next attempt does not meet it; the rest, about which
    /// nodes have yet to answer, is left to the reaper.
    async fn clean_up(mut self, deadline: Option<Moment>, node_timeout: Duration) {
        let release = self.abandon();
        let certain = release.and(self.attempt.tally().granted());
        self.undo_in_background(release.without(certain));
        if certain.is_empty() {
            return;
        }
        let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
        let undoing = undo_all(shared, claim, certain, self.attempt.forgotten(), clean_up());
        let enough = self.shared.now().after(node_timeout);
        let stop = deadline.map_or(enough, |deadline| deadline.min(enough));
        OrReaper::new(&self.shared, Box::pin(undoing)).until(stop).await;
    }

    fn undo_in_background(&self, nodes: NodeSet) {
        if !nodes.is_empty() {
            let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
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

    fn aftermath(
        &self,
        calls: FuturesUnordered<F>,
        outstanding: NodeSet,
        give_up: Moment,
    ) -> Aftermath<F> {
        let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
        let lifetime = self.terms.timing.kept(self.terms.ttl);
        Aftermath { shared, claim, calls, outstanding, give_up, lifetime, release: clean_up() }
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Drop for Pursuit<F> {
    /// The caller has gone, or panicked: undo everything in the background (R21, R26).
    fn drop(&mut self) {
        if mutant::is(Mutant::CancelledKept) {
            self.undo = false;
        }
        let release = self.abandon();
        self.undo_in_background(release);
    }
}

/// Nobody is told of what an attempt leaves behind: those who wait would all come, fail, and leave
/// as much behind themselves (requirement R50).
fn clean_up() -> Ask {
    if mutant::is(Mutant::CleanUpTells) { Ask::ReleaseAndTell } else { Ask::Release }
}
