use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    aftermath::{Aftermath, Fate, undo_all},
    calls::{Answer, Ask, Calls, Claim, Event, ask},
    report::{Action, Report},
    shared::Shared,
};
use crate::{
    NodeError, Vote,
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
        let (action, resource) = (Action::Release, &claim.resource);
        let report = Report::new(shared, action, resource, &tally, &[], Duration::ZERO);
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
        let resource = self.report.resource();
        match self.outcome {
            ReleaseOutcome::Released => write!(f, "released {resource:?}")?,
            ReleaseOutcome::Expired => write!(f, "{resource:?} had expired")?,
            ReleaseOutcome::TakenByAnother => write!(f, "{resource:?} had been taken by another")?,
            ReleaseOutcome::Kept => {
                return write!(f, "{resource:?} is kept until its shortest hold is over");
            }
            ReleaseOutcome::Unknown => {
                write!(f, "could not tell whether {resource:?} is released")?
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
    /// When every node has forgotten the lock by itself.
    pub(super) forgotten: Moment,
    pub(super) node_timeout: Duration,
}

/// Asks these nodes to release, and returns when a quorum has answered or the time is over.
///
/// What has not answered by then, or failed, is asked on by the reaper until it must have
/// forgotten; so is everything when the future is dropped.
pub(super) async fn release(shared: &Arc<Shared>, claim: Arc<Claim>, asked: Asked) -> Release {
    let Asked { nodes, without, forgotten, node_timeout } = asked;
    let deadline = shared.now().after(node_timeout);
    let mut round = Releasing {
        calls: Some(ask(shared, nodes, &claim, Ask::Release, deadline)),
        shared: Arc::clone(shared),
        claim,
        tally: Tally::new(shared.quorum),
        errors: Vec::new(),
        outstanding: nodes,
        forgotten,
    };
    for node in without.iter() {
        round.tally.enter(node, Ballot::Cast(Vote::not_held()));
    }
    let outcome = round.decide().await;
    round.drain();
    let (resource, tally) = (&round.claim.resource, &round.tally);
    let report = Report::new(shared, Action::Release, resource, tally, &round.errors, node_timeout);
    Release { outcome, report }
}

/// A release under way. Dropped, it leaves what has not answered, or failed, to the reaper.
struct Releasing<F: Future<Output = Answer> + Send + 'static> {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    calls: Option<Calls<F>>,
    tally: Tally,
    errors: Vec<(usize, NodeError)>,
    /// The nodes of the calls that have not returned.
    outstanding: NodeSet,
    forgotten: Moment,
}

impl<F: Future<Output = Answer> + Send + 'static> Releasing<F> {
    async fn decide(&mut self) -> ReleaseOutcome {
        loop {
            let event = match &mut self.calls {
                Some(calls) => calls.next().await,
                None => Event::Over,
            };
            let Event::Answered(answer) = event else {
                for node in self.outstanding.iter() {
                    self.tally.enter(node, Ballot::TIMED_OUT);
                }
                return ReleaseOutcome::Unknown;
            };
            self.note(answer);
            if let Some(outcome) = ReleaseOutcome::of(&self.tally) {
                return outcome;
            }
        }
    }

    fn note(&mut self, answer: Answer) {
        self.outstanding.remove(answer.node);
        self.tally.enter(answer.node, answer.ballot());
        self.errors.extend(answer.result.err().map(|error| (answer.node, error)));
    }

    /// Takes in the answers that are there already.
    fn drain(&mut self) {
        while let Some(answer) = self.calls.as_mut().and_then(Calls::ready) {
            self.note(answer);
        }
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Drop for Releasing<F> {
    /// Polls nothing: the runtime may have ended, and its timers panic then.
    fn drop(&mut self) {
        let failed: NodeSet = self.errors.iter().map(|(node, _)| *node).collect();
        if !failed.is_empty() {
            let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
            self.shared.reaper.take(undo_all(shared, claim, failed, self.forgotten));
        }
        if let Some(calls) = self.calls.take().map(Calls::into_unfinished)
            && !calls.is_empty()
        {
            let aftermath = Aftermath {
                shared: Arc::clone(&self.shared),
                claim: Arc::clone(&self.claim),
                calls,
                outstanding: self.outstanding,
                give_up: self.forgotten,
                lifetime: Duration::ZERO,
            };
            self.shared.reaper.take(aftermath.settle(|_, ballot| match ballot {
                Ballot::Cast(_) => Fate::Forget,
                Ballot::Silent | Ballot::Failed(_) => Fate::Release,
            }));
        }
    }
}
