use std::time::Duration;

use super::{Ballot, Fence, NodeSet, Quorum, Refusal, Vote};

/// The ballots of one round, counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    quorum: Quorum,
    ballots: Vec<Ballot>,
}

impl Tally {
    /// A tally in which every node is still silent.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, ballots: vec![Ballot::Silent; quorum.nodes()] }
    }

    /// A tally in which no node is asked.
    #[must_use]
    pub fn unasked(quorum: Quorum) -> Self {
        Self { quorum, ballots: vec![Ballot::Unasked; quorum.nodes()] }
    }

    /// Enters a node's ballot. The first that is not silent stands; a node that does not exist is
    /// ignored.
    pub fn enter(&mut self, node: usize, ballot: Ballot) {
        if let Some(entry @ Ballot::Silent) = self.ballots.get_mut(node) {
            *entry = ballot;
        }
    }

    /// What a quorum of this tally is.
    #[must_use]
    pub const fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// The ballots, in the order of the nodes.
    #[must_use]
    pub fn ballots(&self) -> &[Ballot] {
        &self.ballots
    }

    /// The nodes that granted.
    #[must_use]
    pub fn granted(&self) -> NodeSet {
        self.nodes(|ballot| matches!(ballot, Ballot::Cast(Vote::Granted { .. })))
    }

    /// The nodes that refused.
    #[must_use]
    pub fn refused(&self) -> NodeSet {
        self.nodes(|ballot| matches!(ballot, Ballot::Cast(Vote::Refused(_))))
    }

    /// The nodes that said that nobody has it.
    #[must_use]
    pub fn gone(&self) -> NodeSet {
        self.nodes(|ballot| matches!(ballot, Ballot::Cast(Vote::Refused(Refusal::NotHeld))))
    }

    /// The nodes that failed.
    #[must_use]
    pub fn failed(&self) -> NodeSet {
        self.nodes(|ballot| matches!(ballot, Ballot::Failed(_)))
    }

    /// The nodes that have not answered.
    #[must_use]
    pub fn silent(&self) -> NodeSet {
        self.nodes(|ballot| matches!(ballot, Ballot::Silent))
    }

    /// The largest count that a node has told of, whatever else it said.
    #[must_use]
    pub fn largest_counter(&self) -> Option<Fence> {
        self.ballots.iter().filter_map(|ballot| ballot.counter()).max()
    }

    /// When a quorum of nodes could be free for an asker, as far as the nodes can tell: the
    /// remaining lifetime that the quorum-th node to become free reported.
    ///
    /// A node that granted counts as free now. `None` if too many nodes told nothing.
    #[must_use]
    pub fn quorum_free_in(&self) -> Option<Duration> {
        let mut waits: Vec<Duration> = self.ballots.iter().filter_map(free_in).collect();
        waits.sort_unstable();
        // The last of a quorum, counted from the first.
        waits.get(self.quorum.nodes() / 2).copied()
    }

    fn nodes(&self, which: impl Fn(&Ballot) -> bool) -> NodeSet {
        self.ballots
            .iter()
            .enumerate()
            .filter(|(_, ballot)| which(ballot))
            .map(|(i, _)| i)
            .collect()
    }
}

fn free_in(ballot: &Ballot) -> Option<Duration> {
    match ballot {
        Ballot::Cast(Vote::Granted { .. } | Vote::Refused(Refusal::NotHeld)) => {
            Some(Duration::ZERO)
        }
        Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { remaining, .. })) => *remaining,
        Ballot::Silent | Ballot::Unasked | Ballot::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Delivery, Failure, FailureKind};

    const FAILED: Ballot =
        Ballot::Failed(Failure { kind: FailureKind::Other, delivery: Delivery::Unknown });

    fn held(millis: u64) -> Ballot {
        Ballot::Cast(Vote::held_by_another(Some(Duration::from_millis(millis))))
    }

    fn tally(ballots: &[Ballot]) -> Tally {
        let mut tally = Tally::new(Quorum::of(ballots.len()).unwrap());
        for (node, &ballot) in ballots.iter().enumerate() {
            tally.enter(node, ballot);
        }
        tally
    }

    #[test]
    fn each_ballot_is_counted_once_and_in_its_place() {
        let tally = tally(&[Ballot::Cast(Vote::granted()), held(1), FAILED, Ballot::Silent]);
        assert_eq!(tally.granted(), [0].into_iter().collect());
        assert_eq!(tally.refused(), [1].into_iter().collect());
        assert_eq!(tally.failed(), [2].into_iter().collect());
        assert_eq!(tally.silent(), [3].into_iter().collect());
        assert_eq!(tally.quorum().nodes(), 4);
        assert_eq!(tally.ballots()[2], FAILED);
    }

    #[test]
    fn the_first_ballot_of_a_node_stands() {
        let mut tally = tally(&[FAILED, Ballot::Silent, Ballot::Silent]);
        tally.enter(0, Ballot::Cast(Vote::granted()));
        tally.enter(7, Ballot::Cast(Vote::granted()));
        assert!(tally.granted().is_empty());
        tally.enter(1, Ballot::Cast(Vote::granted()));
        assert_eq!(tally.granted().len(), 1);
    }

    #[test]
    fn a_quorum_is_free_when_its_last_node_is() {
        let free = |ballots: &[Ballot]| tally(ballots).quorum_free_in();
        assert_eq!(free(&[held(30), held(10), held(20)]), Some(Duration::from_millis(20)));
        assert_eq!(
            free(&[held(30), Ballot::Cast(Vote::granted()), FAILED]),
            Some(Duration::from_millis(30))
        );
        assert_eq!(free(&[held(30), FAILED, FAILED]), None);
        assert_eq!(free(&[Ballot::Cast(Vote::not_held())]), Some(Duration::ZERO));
        assert_eq!(free(&[Ballot::Cast(Vote::held_by_another(None))]), None);
        assert_eq!(free(&[Ballot::Silent]), None);
    }
}
