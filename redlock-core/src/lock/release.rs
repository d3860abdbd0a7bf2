use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    aftermath::{Aftermath, Fate, undo_all},
    calls::{Answer, Ask, Calls, Claim, Event, ask},
    report::{Action, Report},
    shared::Shared,
};
use crate::{
    NodeError,
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
        let resource = self.report.resource();
        match self.outcome {
            ReleaseOutcome::Released => write!(f, "released {resource:?}")?,
            ReleaseOutcome::Expired => write!(f, "{resource:?} had expired")?,
            ReleaseOutcome::TakenByAnother => write!(f, "{resource:?} had been taken by another")?,
            ReleaseOutcome::Unknown => {
                write!(f, "could not tell whether {resource:?} is released")?
            }
        }
        write!(f, ": {}", self.report)
    }
}

/// Asks these nodes to release, and returns when a quorum has answered or the time is over.
///
/// What has not answered by then, or failed, is asked on by the reaper until it must have
/// forgotten; so is everything when the future is dropped.
pub(super) async fn release(
    shared: &Arc<Shared>,
    claim: Arc<Claim>,
    nodes: NodeSet,
    forgotten: Moment,
    node_timeout: Duration,
) -> Release {
    let deadline = shared.now().after(node_timeout);
    let mut round = Releasing {
        calls: Some(ask(shared, nodes, &claim, Ask::Release, deadline)),
        shared: Arc::clone(shared),
        claim,
        outstanding: nodes,
        failed: NodeSet::EMPTY,
        forgotten,
    };
    let mut tally = Tally::new(shared.quorum);
    let mut errors: Vec<(usize, NodeError)> = Vec::new();
    let outcome = loop {
        let event = match &mut round.calls {
            Some(calls) => calls.next().await,
            None => Event::Over,
        };
        let Event::Answered(answer) = event else {
            round.outstanding.iter().for_each(|node| tally.enter(node, Ballot::TIMED_OUT));
            break ReleaseOutcome::Unknown;
        };
        tally.enter(answer.node, answer.ballot());
        round.note(&answer);
        errors.extend(answer.result.err().map(|error| (answer.node, error)));
        if let Some(outcome) = ReleaseOutcome::of(&tally) {
            break outcome;
        }
    };
    let resource = &round.claim.resource;
    let report = Report::new(shared, Action::Release, resource, &tally, &errors, node_timeout);
    Release { outcome, report }
}

/// A release under way. Dropped, it leaves what has not answered, or failed, to the reaper.
struct Releasing<F: Future<Output = Answer> + Send + 'static> {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    calls: Option<Calls<F>>,
    outstanding: NodeSet,
    failed: NodeSet,
    forgotten: Moment,
}

impl<F: Future<Output = Answer> + Send + 'static> Releasing<F> {
    fn note(&mut self, answer: &Answer) {
        self.outstanding.remove(answer.node);
        if answer.result.is_err() {
            self.failed.insert(answer.node);
        }
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Drop for Releasing<F> {
    fn drop(&mut self) {
        let Some(mut calls) = self.calls.take() else {
            return;
        };
        while let Some(answer) = calls.ready() {
            self.note(&answer);
        }
        let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
        if !self.failed.is_empty() {
            let undoing =
                undo_all(Arc::clone(&shared), Arc::clone(&claim), self.failed, self.forgotten);
            shared.reaper.take(undoing);
        }
        let calls = calls.into_unfinished();
        if !calls.is_empty() {
            let (outstanding, give_up) = (self.outstanding, self.forgotten);
            let aftermath =
                Aftermath { shared: Arc::clone(&shared), claim, calls, outstanding, give_up };
            shared.reaper.take(aftermath.settle(|_, ballot| match ballot {
                Ballot::Cast(_) => Fate::Forget,
                Ballot::Silent | Ballot::Failed(_) => Fate::Release,
            }));
        }
    }
}
