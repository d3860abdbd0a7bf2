use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{OptionFuture, join},
};

use super::{
    aftermath::{Aftermath, Fate, undo_all},
    calls::{Answer, Ask, Calls, Claim, Event, ask},
    queue::Turn,
    report::{Action, Report},
    shared::Shared,
};
use crate::{
    NodeError, Vote,
    observe::Freed,
    proto::{Ballot, Moment, NodeSet, ReleaseOutcome, Tally},
};

/// What came of a release.
///
/// Nothing here needs a reaction for the lock's sake: what was not reached is cleaned up in the
/// background and ends with the ttl at the latest. But an outcome other than
/// [`Released`](ReleaseOutcome::Released) may say that the lock had been lost before.
#[derive(Clone, Debug)]
pub struct Release {
    outcome: ReleaseOutcome,
    report: Report,
}

impl Release {
    /// Nobody has been asked yet: nodes keep the lock for its shortest hold.
    pub(super) fn kept(shared: &Shared, claim: &Claim) -> Self {
        let tally = Tally::new(shared.quorum);
        let (action, resources) = (Action::Release, &claim.resources);
        let report = Report::new(shared, action, resources, tally, Vec::new(), Duration::ZERO);
        Self { outcome: ReleaseOutcome::Kept, report }
    }

    /// What it came to.
    #[must_use]
    pub const fn outcome(&self) -> ReleaseOutcome {
        self.outcome
    }

    /// Whether the lock was held until now, and a quorum of nodes has given it up.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.outcome == ReleaseOutcome::Released
    }

    /// What each node said, as far as it had when a quorum had.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.report.resources();
        match self.outcome {
            ReleaseOutcome::Released => write!(f, "released {resources:?}")?,
            ReleaseOutcome::Expired => write!(f, "{resources:?} had expired")?,
            ReleaseOutcome::TakenByAnother => write!(f, "{resources:?} had been taken by another")?,
            ReleaseOutcome::Kept => {
                return write!(f, "{resources:?} is kept until its shortest hold is over");
            }
            ReleaseOutcome::Unknown => {
                write!(f, "could not tell whether {resources:?} is released")?
            }
        }
        write!(f, ": {}", self.report)
    }
}

/// Which nodes a release asks, and what is known of the others.
pub(super) struct Asked {
    pub(super) nodes: NodeSet,
    /// Nodes that certainly have nothing of the lock and need not be asked.
    pub(super) without: NodeSet,
    /// From when on they have the time to answer.
    pub(super) began: Moment,
    /// When every node has forgotten the lock by itself.
    pub(super) forgotten: Moment,
    pub(super) node_timeout: Duration,
    /// Whose turn comes next, once a quorum is released.
    pub(super) turn: Option<Turn>,
}

/// Asks these nodes to release, and returns when a quorum has answered or the time is over.
///
/// What has not answered by then, or failed, is asked on by the reaper until it must have
/// forgotten; so is everything when the future is dropped.
pub(super) async fn release(shared: &Arc<Shared>, claim: Arc<Claim>, asked: Asked) -> Release {
    let (resources, node_timeout) = (claim.resources.clone(), asked.node_timeout);
    let mut releasing = Releasing { round: Some(round(shared, claim, asked)) };
    let Some(round) = &mut releasing.round else {
        unreachable!("it has just been put there, and only a drop takes it away")
    };
    let outcome = round.decide().await;
    round.drain();
    let Some((tally, errors)) = releasing.round.take().map(Round::leave) else {
        unreachable!("it was there a moment ago")
    };
    let report = Report::new(shared, Action::Release, &resources, tally, errors, node_timeout);
    Release { outcome, report }
}

/// [`release`], when nobody waits for what comes of it: all of it, to the end.
pub(super) async fn release_fully(shared: &Arc<Shared>, claim: Arc<Claim>, asked: Asked) {
    round(shared, claim, asked).finish().await;
}

/// A release that its caller waits for. Dropped, it leaves what is not done to the reaper.
struct Releasing {
    round: Option<Round>,
}

/// The nodes of a release, and what they have said.
struct Round {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    calls: Calls,
    tally: Tally,
    errors: Vec<(usize, NodeError)>,
    /// The nodes of the calls that have not returned.
    outstanding: NodeSet,
    forgotten: Moment,
    turn: Option<Turn>,
    listeners: u32,
}

fn round(shared: &Arc<Shared>, claim: Arc<Claim>, asked: Asked) -> Round {
    let Asked { nodes, without, began, forgotten, node_timeout, turn } = asked;
    let quietly = turn.as_ref().is_some_and(Turn::goes_on_quietly);
    let release = if quietly { Ask::Release } else { Ask::ReleaseAndTell };
    let deadline = began.after(node_timeout);
    let mut tally = Tally::new(shared.quorum);
    for node in without.iter() {
        tally.enter(node, Ballot::Cast(Vote::not_held()));
    }
    Round {
        calls: ask(shared, nodes, &claim, release, deadline),
        shared: Arc::clone(shared),
        claim,
        tally,
        errors: Vec::new(),
        outstanding: nodes,
        forgotten,
        turn,
        listeners: 0,
    }
}

impl Round {
    async fn decide(&mut self) -> ReleaseOutcome {
        let outcome = loop {
            let Event::Answered(answer) = self.calls.next().await else {
                for node in self.outstanding.iter() {
                    self.tally.enter(node, Ballot::TIMED_OUT);
                }
                break ReleaseOutcome::Unknown;
            };
            self.note(answer);
            if let Some(outcome) = ReleaseOutcome::of(&self.tally) {
                break outcome;
            }
        };
        if let Some(turn) = self.turn.take() {
            turn.told(self.listeners);
        }
        if self.shared.onlookers.are_there() {
            let Claim { resources, token } = &*self.claim;
            let token = token.fingerprint();
            let event = Freed { resources, token, outcome, tally: &self.tally };
            self.shared.onlookers.tell(|observer| observer.freed(&event));
        }
        outcome
    }

    fn note(&mut self, answer: Answer) {
        self.outstanding.remove(answer.node);
        self.listeners = self.listeners.max(answer.listeners);
        self.tally.enter(answer.node, answer.ballot());
        self.errors.extend(answer.result.err().map(|error| (answer.node, error)));
    }

    /// Takes in the answers that are there already.
    fn drain(&mut self) {
        while let Some(answer) = self.calls.ready() {
            self.note(answer);
        }
    }

    fn is_done(&self) -> bool {
        self.errors.is_empty() && self.outstanding.is_empty() && self.turn.is_none()
    }

    /// What the nodes have said. What is not done is left to the reaper.
    fn leave(self) -> (Tally, Vec<(usize, NodeError)>) {
        if self.is_done() {
            return (self.tally, self.errors);
        }
        let told = (self.tally.clone(), self.errors.clone());
        self.go_on();
        told
    }

    /// Polls nothing: the runtime may have ended, and its timers panic then.
    fn go_on(self) {
        if self.is_done() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if self.turn.is_some() {
            shared.reaper.take(self.finish());
        } else {
            shared.reaper.take(self.clean_up());
        }
    }

    /// Sees to it that every node has released or forgotten.
    async fn finish(mut self) {
        if self.turn.is_some() {
            self.decide().await;
        }
        self.clean_up().await;
    }

    /// The same, when a quorum has answered.
    fn clean_up(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { shared, claim, calls, errors, outstanding, forgotten, .. } = self;
        let failed: NodeSet = errors.iter().map(|(node, _)| *node).collect();
        let release = Ask::ReleaseAndTell;
        // Boxed, as all that is rare: mostly a node is a little later than the others, and no more.
        let again = (!failed.is_empty()).then(|| {
            let (shared, claim) = (Arc::clone(&shared), Arc::clone(&claim));
            undo_all(shared, claim, failed, forgotten, release).boxed()
        });
        let aftermath = Aftermath {
            shared,
            claim,
            calls: calls.into_unfinished(),
            outstanding,
            give_up: forgotten,
            lifetime: Duration::ZERO,
            release,
        };
        let late = aftermath.settle(|_, ballot| match ballot {
            Ballot::Cast(_) | Ballot::Unasked => Fate::Forget,
            Ballot::Silent | Ballot::Failed(_) => Fate::Release,
        });
        join(OptionFuture::from(again), late).map(drop)
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        if let Some(round) = self.round.take() {
            round.go_on();
        }
    }
}
