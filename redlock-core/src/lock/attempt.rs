use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{Either, select};

use super::{
    aftermath::{Aftermath, Fate, OrReaper, undo_all},
    calls::{Answer, Ask, Calls, Claim, Event, Timer, ask},
    error::Error,
    guard::Guard,
    hold::Hold,
    in_flight::InFlight,
    quest::Try,
    queue::Turn,
    report::{Action, Report},
    settings::Terms,
    shared::Shared,
};
use crate::{
    Fence, Lease, NodeError,
    proto::{
        Attempt, LossReason, Moment, NodeSet, Obstacle, Progress, Tenure, Verdict,
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
    let claim = Claim { resources: terms.resources.clone(), token: shared.token(&terms.proof)? };
    // Before the first byte is sent, and anew for each attempt (R2): validity counts from here.
    let started = shared.now();
    let mut attempt = Attempt::start(shared.quorum, terms.ttl, terms.timing, started);
    let mut asked = Ask::Acquire(terms.timing.lifetime(terms.ttl));
    let mut before = Fence::default();
    if claim.resources.only().is_none() {
        attempt = attempt.in_parts();
    }
    if terms.fencing {
        let known = shared.fences.known(terms.resources.first());
        attempt = attempt.fenced();
        asked = Ask::AcquireCounted(terms.timing.lifetime(terms.ttl), known.hint);
        before = known.had;
    }
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, deadline);
    pursuit.turn = turn;
    match pursuit.decide().await {
        Ok(guard) => guard.of_distinct_servers().await?.fenced_after(before).await,
        Err(verdict) => {
            pursuit.remember_counters(pursuit.attempt.tally().largest_counter());
            pursuit.told.failed(&pursuit.claim.token, &pursuit.attempt, verdict);
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
    let claim = Claim { resources: lease.resources().clone(), token: lease.token().clone() };
    let started = shared.now();
    if lease.until().is_some_and(|until| started >= until) {
        // Never extended after its end: somebody else may have held it since (R29).
        return Err(Error::lost(&claim.resources, LossReason::Expired, None));
    }
    let until = lease.until();
    let mut attempt = Attempt::resume(shared.quorum, terms.ttl, terms.timing, started, until);
    if claim.resources.only().is_none() {
        attempt = attempt.in_parts();
    }
    let asked = Ask::Extend(terms.timing.lifetime(terms.ttl));
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, None);
    pursuit.fence = lease.fencing_token();
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
struct Pursuit<'a> {
    shared: &'a Arc<Shared>,
    claim: Arc<Claim>,
    attempt: Attempt,
    what: Ask,
    terms: &'a Terms,
    /// How long the nodes have to answer.
    patience: Duration,
    /// Whether giving up means to release what the nodes have.
    undo: bool,
    /// `None` once they have been handed on.
    calls: Option<Calls>,
    errors: Vec<(usize, NodeError)>,
    /// The calls to raise counts.
    raises: Option<Calls>,
    /// For the lock that may come of it.
    turn: Option<Turn>,
    /// What it was numbered before, if it is had already.
    fence: Option<Fence>,
    /// What is told of it.
    told: Try,
}

fn pursue<'a>(
    shared: &'a Arc<Shared>,
    claim: Claim,
    attempt: Attempt,
    what: Ask,
    terms: &'a Terms,
    deadline: Option<Moment>,
) -> Pursuit<'a> {
    let claim = Arc::new(claim);
    let started = attempt.started();
    let enough = started.after(terms.node_timeout);
    let stop = deadline.map_or(enough, |deadline| deadline.min(enough));
    Pursuit {
        calls: Some(ask(shared, shared.quorum.all(), &claim, what, stop)),
        shared,
        claim,
        attempt,
        undo: matches!(what, Ask::Acquire(_) | Ask::AcquireCounted(..)),
        what,
        terms,
        patience: stop.since(started),
        errors: Vec::new(),
        raises: None,
        turn: None,
        fence: None,
        told: terms.quest.attempt(),
    }
}

/// What happened to an attempt.
enum Happened {
    Answered(Answer),
    Raised(Answer),
    Over,
}

impl Pursuit<'_> {
    /// Counts the answers until the attempt is decided. Returns at the answer that decides, not at
    /// the slowest node's (R24).
    async fn decide(&mut self) -> Result<Guard, Verdict> {
        loop {
            let event = std::future::poll_fn(|cx| self.poll_next(cx)).await;
            // Read after the answer is in hand (R5).
            let now = self.shared.now();
            let progress = match event {
                Happened::Answered(answer) => self.enter(answer, now),
                Happened::Raised(answer) => {
                    let answer = self.weigh(answer, now);
                    self.attempt.raised(answer.node, answer.ballot(), now)
                }
                Happened::Over => self.attempt.timed_out(now),
            };
            match progress {
                Progress::Open => {}
                Progress::Raise(nodes, fence) => self.raise(nodes, fence),
                Progress::Granted(tenure) => {
                    self.shared.pulse.beat(now.since(self.attempt.started()));
                    return Ok(self.hold(tenure));
                }
                Progress::Failed(verdict) => {
                    if verdict == Verdict::Refused {
                        self.shared.pulse.beat(now.since(self.attempt.started()));
                        self.hear_out(now).await;
                    }
                    self.drain();
                    return Err(verdict);
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        let raising = self.raises.as_mut().filter(|raises| !raises.is_empty());
        let asking = self.calls.as_mut().filter(|calls| !calls.is_empty());
        if raising.is_none() && asking.is_none() {
            return Poll::Ready(Happened::Over);
        }
        if let Some(raises) = raising
            && let Poll::Ready(event) = raises.poll_next(cx)
        {
            return Poll::Ready(match event {
                Event::Answered(answer) => Happened::Raised(answer),
                Event::Over => Happened::Over,
            });
        }
        let Some(calls) = asking else { return Poll::Pending };
        calls.poll_next(cx).map(|event| match event {
            Event::Answered(answer) => Happened::Answered(answer),
            Event::Over => Happened::Over,
        })
    }

    /// Asks these nodes to raise their count, in what is left of the time.
    fn raise(&mut self, nodes: NodeSet, fence: Fence) {
        let stop = self.attempt.started().after(self.patience);
        let more = ask(self.shared, nodes, &self.claim, Ask::Raise(fence), stop);
        match &mut self.raises {
            Some(raises) => raises.join(more),
            none => *none = Some(more),
        }
    }

    /// Takes in the answers that are there already: what is known need not be waited for later.
    fn drain(&mut self) {
        while let Some(answer) = self.calls.as_mut().and_then(Calls::ready) {
            self.enter(answer, self.shared.now());
        }
    }

    /// Takes in more answers, for as long as they may say who has the lock and take no longer than
    /// usual: whoever waits sleeps until that one gives it up, and would ask again and again if
    /// nobody seemed to have it.
    async fn hear_out(&mut self, now: Moment) {
        let soon = now.after(self.shared.round_trip());
        let mut timer =
            Timer::new(self.shared, soon.min(self.attempt.started().after(self.patience)));
        while Obstacle::is_open(self.attempt.tally()) {
            let Some(calls) = &mut self.calls else { return };
            let Either::Left((Event::Answered(answer), _)) =
                select(pin!(calls.next()), &mut timer).await
            else {
                return;
            };
            self.enter(answer, self.shared.now());
        }
    }

    /// What an answer to whoever takes a lock counts for.
    fn weigh(&self, answer: Answer, now: Moment) -> Answer {
        match self.shared.doubt(answer.node, answer.ballot(), self.terms, now) {
            Some(error) => Answer { result: Err(error), ..answer },
            None => answer,
        }
    }

    fn enter(&mut self, answer: Answer, now: Moment) -> Progress {
        let answer = match self.what {
            // Who has the key has had it all the time.
            Ask::Extend(_) => answer,
            _ => self.weigh(answer, now),
        };
        let progress = self.attempt.answered(answer.node, answer.ballot(), now);
        if let Err(error) = answer.result {
            self.errors.push((answer.node, error));
        }
        progress
    }

    /// Makes the guard, and leaves the calls that have not returned to the reaper: their yeses
    /// join the lock while it is held, and are released afterwards.
    fn hold(&mut self, mut tenure: Tenure) -> Guard {
        if self.fence.is_some() {
            tenure = tenure.numbered(self.fence);
        }
        self.remember_counters(self.attempt.tally().largest_counter());
        let mut unfinished = None;
        if let Some(mut calls) = self.calls.take() {
            while let Some(answer) = calls.ready() {
                // The lock is held, so this can only be one more vote, or one less to wait for. One
                // more counts whatever its clock did: those before it keep everybody else out.
                self.shared.look(answer.node, answer.ballot(), self.terms.ttl);
                tenure.late(answer.node, answer.ballot());
                self.remember_counters(answer.ballot().counter());
            }
            unfinished = Some(calls.into_unfinished());
        }
        let (outstanding, give_up) = (tenure.outstanding(), tenure.forgotten());
        let started = self.attempt.started();
        self.told.granted(&self.claim.token, &self.attempt);
        let turn = self.turn.take();
        let hold = Hold::begin(self.shared, &self.claim, tenure, self.terms, started, turn);
        if let Some(calls) = unfinished.filter(|calls| !calls.is_empty()) {
            let aftermath = self.aftermath(calls, outstanding, give_up);
            let hold = Arc::clone(&hold);
            self.shared.reaper.take(aftermath.settle(move |node, ballot| hold.late(node, ballot)));
        }
        Guard::keep(hold)
    }

    /// For the hint of the next attempt: with the largest count all nodes come to agree.
    fn remember_counters(&self, largest: Option<Fence>) {
        if let Some(counter) = largest {
            self.shared.fences.seen(self.claim.resources.first(), counter);
        }
    }

    fn error(&self, verdict: Verdict) -> Error {
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
            (Ask::Extend(_), Verdict::TooLate) => {
                Error::lost(&self.claim.resources, LossReason::Expired, Some(report))
            }
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
    async fn clean_up(mut self, deadline: Option<Moment>, node_timeout: Duration) {
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

    fn aftermath(
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
