use super::{
    Extension, Moment, NodeSet, Tenure, Ttl,
    mutant::{self, Mutant},
};

/// Nodes that have lost the key of a held lock, or never had it, and are to have it again.
///
/// A lock that is renewed for long meets nodes that restart. Without healing each of them costs
/// its vote for good, until no quorum is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Healing {
    /// The nodes to ask to acquire.
    pub nodes: NodeSet,
    /// For how long: what is left of the lifetime that the other nodes were asked for.
    pub lifetime: Ttl,
}

impl Tenure {
    /// After an extension that a quorum of nodes has carried: what to heal of the nodes that have
    /// answered it that the key is gone.
    ///
    /// A node that is asked has no vote by it (requirement R34): what counts is what it says to
    /// the next extension, as for any other node. Its answer goes to [`late`](Self::late); until
    /// then, or until the next extension, its call is [outstanding](Self::outstanding); and whenever it
    /// comes, it is undone if the lock has ended.
    pub fn heal(&mut self, extension: &Extension, gone: NodeSet, now: Moment) -> Option<Healing> {
        if !self.is_valid(now) {
            return None;
        }
        let left = self.timing.lifetime(extension.ttl).get();
        let lifetime = Ttl::new(left.saturating_sub(now.since(extension.started))).ok()?;
        let nodes = gone.without(self.votes.outstanding);
        if nodes.is_empty() {
            return None;
        }
        if !mutant::is(Mutant::HealingForgotten) {
            self.votes.outstanding = self.votes.outstanding.union(nodes);
        }
        self.votes.healing = self.votes.healing.union(nodes);
        Some(Healing { nodes, lifetime })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::{
        Attempt, Ballot, Drift, ExtensionStep, Late, Progress, Quorum, Timing, Vote,
    };

    const YES: Ballot = Ballot::Cast(Vote::granted());
    const GONE: Ballot = Ballot::Cast(Vote::not_held());

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    fn set<const N: usize>(nodes: [usize; N]) -> NodeSet {
        nodes.into_iter().collect()
    }

    /// A lock over three nodes with a ttl of a second, extended at 100 by nodes 0 and 1.
    fn extended() -> (Tenure, Extension) {
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        let timing = Timing::new(Drift::default()).grace(Duration::from_millis(500));
        let mut attempt = Attempt::start(Quorum::of(3).unwrap(), ttl, timing, at(0));
        attempt.answered(2, Ballot::Cast(Vote::held_by_another(None)), at(1));
        attempt.answered(0, YES, at(1));
        let Progress::Granted(mut tenure) = attempt.answered(1, YES, at(1)) else {
            panic!("two of three granted");
        };
        let mut extension = tenure.extend(ttl, at(100)).unwrap();
        tenure.extension_answered(&mut extension, 2, GONE, at(110));
        tenure.extension_answered(&mut extension, 0, YES, at(110));
        let step = tenure.extension_answered(&mut extension, 1, YES, at(110));
        assert_eq!(step, ExtensionStep::Extended(at(1088)));
        (tenure, extension)
    }

    #[test]
    fn a_node_gets_the_key_for_what_is_left_and_no_vote_by_it() {
        let (mut tenure, extension) = extended();
        let gone = extension.tally().gone();
        assert_eq!(gone, set([2]));
        let healing = tenure.heal(&extension, gone, at(150)).unwrap();
        assert_eq!(healing.nodes, set([2]));
        assert_eq!(healing.lifetime.get(), Duration::from_millis(1450));
        assert_eq!(tenure.heal(&extension, gone, at(150)), None, "it has been asked");

        assert_eq!(tenure.late(2, YES), Late::Noted);
        assert_eq!(tenure.held(), set([0, 1]));
        assert_eq!(tenure.may_hold(), set([0, 1, 2]));
        let mut next = tenure.extend(extension.ttl, at(200)).unwrap();
        tenure.extension_answered(&mut next, 2, YES, at(210));
        assert_eq!(tenure.held(), set([0, 1, 2]), "as any node that says so");
    }

    #[test]
    fn a_node_that_was_healed_too_late_is_released() {
        let (mut tenure, extension) = extended();
        tenure.heal(&extension, set([2]), at(150)).unwrap();
        assert_eq!(tenure.end(), Some(set([0, 1])), "its call could be overtaken");
        assert_eq!(tenure.late(2, YES), Late::Release);
    }

    #[test]
    fn a_node_of_which_nothing_is_heard_is_asked_again_and_released_with_the_rest() {
        let (mut tenure, extension) = extended();
        tenure.heal(&extension, set([2]), at(150)).unwrap();
        let next = tenure.extend(extension.ttl, at(200)).unwrap();
        assert_eq!(next.asked(), set([0, 1, 2]));
        assert!(tenure.heal(&next, set([2]), at(210)).is_some(), "the first may be lost");
        let mut silent = tenure.clone();
        silent.extend(extension.ttl, at(300)).unwrap();
        assert_eq!(silent.end(), Some(set([0, 1, 2])));
        assert_eq!(silent.late(2, YES), Late::Release, "whichever of the two it is");
        assert_eq!(silent.late(2, YES), Late::Release);
    }

    #[test]
    fn nothing_is_healed_for_a_lock_that_is_not_held() {
        let (mut tenure, extension) = extended();
        assert_eq!(tenure.heal(&extension, set([2]), at(1088)), None);
        tenure.end();
        assert_eq!(tenure.heal(&extension, set([2]), at(150)), None);
    }

    #[test]
    fn a_node_that_could_not_be_healed_is_released_if_it_may_have_a_part_of_the_lock() {
        const OTHER: Ballot = Ballot::Cast(Vote::held_by_another(None));
        for (in_parts, then) in [(false, Late::Noted), (true, Late::Release)] {
            let (tenure, extension) = extended();
            let mut tenure = tenure.in_parts(in_parts);
            // It had the keys once, so one of them may still be there.
            tenure.votes.may_hold.insert(2);
            assert!(tenure.heal(&extension, set([2]), at(120)).is_some());
            assert_eq!(tenure.end(), Some(set([0, 1])));
            assert_eq!(tenure.late(2, OTHER), then);
        }
    }
}
