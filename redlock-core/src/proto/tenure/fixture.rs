//! A lock that is held, for the tests of what becomes of it.

use super::*;
use crate::proto::{Delivery, Drift, Extension, ExtensionStep, Failure, FailureKind};

pub(crate) const YES: Ballot = Ballot::Cast(Vote::granted());
pub(crate) const GONE: Ballot = Ballot::Cast(Vote::not_held());
pub(crate) const OTHER: Ballot = Ballot::Cast(Vote::held_by_another(None));
pub(crate) const FAILED: Ballot =
    Ballot::Failed(Failure { kind: FailureKind::Closed, delivery: Delivery::Unknown });

/// The end of validity of [`held`]: 1000 ms less 1 % less 2 ms.
pub(crate) const END: u64 = 988;

pub(crate) fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

pub(crate) fn ttl(millis: u64) -> Ttl {
    Ttl::new(Duration::from_millis(millis)).unwrap()
}

pub(crate) fn set<const N: usize>(nodes: [usize; N]) -> NodeSet {
    nodes.into_iter().collect()
}

/// A lock over three nodes, asked for at 0 with a ttl of a second; node 2 is outstanding.
pub(crate) fn held() -> Tenure {
    let quorum = Quorum::of(3).unwrap();
    let votes = Votes {
        held: set([0, 1]),
        may_hold: set([0, 1]),
        outstanding: set([2]),
        healing: NodeSet::EMPTY,
    };
    Tenure::begin(quorum, Drift::default().into(), ttl(1000), at(0), votes)
}

pub(crate) fn answer(
    tenure: &mut Tenure,
    extension: &mut Extension,
    ballots: &[(usize, Ballot)],
    now: Moment,
) -> ExtensionStep {
    let mut step = ExtensionStep::Open;
    for &(node, ballot) in ballots {
        step = tenure.extension_answered(extension, node, ballot, now);
    }
    step
}
