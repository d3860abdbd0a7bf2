use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{Either, select};

use super::{
    calls::{Answer, Ask, Calls, Claim, Event, Timer, ask},
    error::Error,
    guard::Guard,
    hold::Hold,
    quest::Try,
    queue::Turn,
    record::Record,
    settings::Terms,
    shared::Shared,
};
use crate::{
    Fence, NodeError,
    proto::{Attempt, Moment, NodeSet, Obstacle, Progress, Tenure, Verdict},
};

/// One attempt under way. Dropped, it leaves what is in flight to the reaper.
pub(super) struct Pursuit<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) claim: Arc<Claim>,
    pub(super) attempt: Attempt,
    pub(super) what: Ask,
    pub(super) terms: &'a Terms,
    /// How long the nodes have to answer.
    pub(super) patience: Duration,
    /// Whether giving up means to release what the nodes have.
    pub(super) undo: bool,
    /// `None` once they have been handed on.
    pub(super) calls: Option<Calls>,
    pub(super) errors: Vec<(usize, NodeError)>,
    /// The calls to raise counts.
    pub(super) raises: Option<Calls>,
    /// For the lock that may come of it.
    pub(super) turn: Option<Turn>,
    /// What it was numbered before, if it is had already.
    pub(super) fence: Option<Fence>,
    /// The largest fence of a lock that was had here before.
    pub(super) had: Fence,
    /// Why the lock that has come of it is none to be had.
    pub(super) unfit: Option<Error>,
    /// What is told of it.
    pub(super) told: Try,
}

pub(super) fn pursue<'a>(
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
        had: Fence::default(),
        unfit: None,
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
    pub(super) async fn decide(&mut self) -> Result<Guard, Verdict> {
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
        self.unfit = self.look_over(&tenure);
        // One that is given back at once was never had, as those who look on see it.
        let record = match self.unfit {
            None => Record::begin(self.shared, &self.claim, &tenure, self.terms),
            Some(_) => Record::none(),
        };
        let (claim, terms) = (&self.claim, self.terms);
        let hold = Hold::begin(self.shared, claim, tenure, terms, started, turn, record);
        if let Some(calls) = unfinished.filter(|calls| !calls.is_empty()) {
            let aftermath = self.aftermath(calls, outstanding, give_up);
            let hold = Arc::clone(&hold);
            self.shared.reaper.take(aftermath.settle(move |node, ballot| hold.late(node, ballot)));
        }
        Guard::keep(hold)
    }

    /// Why this lock cannot be had although it was granted: two of its nodes have turned out to be
    /// one server, or its fencing token is not larger than one that was had before, which the
    /// resource would refuse (R45).
    fn look_over(&self, tenure: &Tenure) -> Option<Error> {
        if let Some(error) = self.shared.same_server() {
            return Some(error.into());
        }
        let resource = self.claim.resources.first();
        match tenure.fence().filter(|_| self.fence.is_none()) {
            Some(fence) if fence > self.had => {
                self.shared.fences.had(resource, fence);
                None
            }
            Some(fence) => {
                let (resource, had) = (resource.clone(), self.had);
                Some(Error::FenceRegression { resource, fence, had })
            }
            None => None,
        }
    }

    /// For the hint of the next attempt: with the largest count all nodes come to agree.
    pub(super) fn remember_counters(&self, largest: Option<Fence>) {
        if let Some(counter) = largest {
            self.shared.fences.seen(self.claim.resources.first(), counter);
        }
    }
}
