use super::{
    Ballot, Fence, Moment, NodeSet, Quorum, Round, Tally, Tenure, Timing, Ttl, Verdict, Vote,
    mutant::{self, Mutant},
    numbering::Numbering,
    tenure::Votes,
};

/// One attempt at a lock: asks every node once, and either becomes a [`Tenure`] or is undone.
///
/// The caller asks all nodes when it makes the attempt, and reports each call as it returns. An
/// attempt that is given up, whatever the reason, hands out the [`Orders`] that leave nothing
/// behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    started: Moment,
    ttl: Ttl,
    timing: Timing,
    round: Round,
    /// What the calls that returned said, also when it came too late for the round.
    returned: Returned,
    /// Nodes that may have a key with this token from before: none, unless a lease is resumed.
    before: NodeSet,
    /// Whether the lock is to have a fencing token; and how far that is, once a quorum has voted.
    numbering: Option<Option<Numbering>>,
    /// Why it can have none: once decided, for good.
    unnumbered: Option<Verdict>,
    /// The time for answers is over.
    is_over: bool,
    /// Whether a node may have a part of it.
    in_parts: bool,
}

/// What has become of the calls of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Returned {
    /// Those that have not returned.
    silent: NodeSet,
    granted: NodeSet,
    failed: NodeSet,
    /// Those that have returned, and left the node with something that is to be undone.
    may_hold: NodeSet,
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Undecided.
    Open,
    /// Undecided: these nodes have granted, and are now to be asked to raise their count to this.
    Raise(NodeSet, Fence),
    /// The lock is held.
    Granted(Tenure),
    /// It is not, for the reason the verdict gives; now [`Attempt::give_up`] is due.
    Failed(Verdict),
}

/// What is to be undone after an attempt that did not become a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orders {
    /// Nodes that may hold a key of this attempt and must be asked to release it now.
    pub release: NodeSet,
    /// Nodes whose call has not returned: each must be released once it has, if
    /// [it may hold](Ballot::may_hold) a key by then. Not before, or the release could overtake
    /// what it undoes.
    pub outstanding: NodeSet,
}

impl Attempt {
    /// Starts an attempt. `now` must be read before the first byte for any node is sent: validity
    /// counts from here (requirement R2).
    #[must_use]
    pub fn start(quorum: Quorum, ttl: Ttl, timing: impl Into<Timing>, now: Moment) -> Self {
        let timing = timing.into();
        let until = now.after(timing.validity(ttl));
        Self {
            started: now,
            ttl,
            timing,
            round: Round::new(quorum, (!mutant::is(Mutant::LateGrant)).then_some(until)),
            returned: Returned {
                silent: quorum.all(),
                granted: NodeSet::EMPTY,
                failed: NodeSet::EMPTY,
                may_hold: NodeSet::EMPTY,
            },
            before: NodeSet::EMPTY,
            numbering: None,
            unnumbered: None,
            is_over: false,
            in_parts: false,
        }
    }

    /// The same, for a lock that is to have a fencing token. The nodes are asked to count.
    #[must_use]
    pub const fn fenced(mut self) -> Self {
        self.numbering = Some(None);
        self
    }

    /// The same, for a lock of several keys: a node that has lost one of them refuses to go on, and
    /// has the others all the same.
    #[must_use]
    pub const fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    /// Starts to take over a lease that was granted before: the nodes are asked to extend it.
    ///
    /// Given the old end of its validity, the quorum must be complete before that (Theorem 2); a
    /// lease that came from another process has none that this clock knows, and its nodes alone
    /// prove that it is still held.
    #[must_use]
    pub fn resume(
        quorum: Quorum,
        ttl: Ttl,
        timing: impl Into<Timing>,
        now: Moment,
        old_end: Option<Moment>,
    ) -> Self {
        let timing = timing.into();
        let mut attempt = Self::start(quorum, ttl, timing, now);
        let until = now.after(timing.validity(ttl));
        let worthless_at = old_end.map_or(until, |old_end| old_end.min(until));
        attempt.round = Round::new(quorum, Some(worthless_at));
        attempt.before = quorum.all();
        attempt
    }

    /// A node's call returned; `now` is read after that.
    pub fn answered(&mut self, node: usize, ballot: Ballot, now: Moment) -> Progress {
        if mutant::is(Mutant::ValidityFromFirstReply) && self.returned.silent == self.quorum().all()
        {
            *self = Self::start(self.quorum(), self.ttl, self.timing, now);
        }
        let is_first = self.returned.silent.contains(node) && ballot != Ballot::Silent;
        if is_first {
            self.take_in(node, ballot);
        }
        self.round.enter(node, ballot, now);
        self.round.note(node, ballot);
        if let Some(Some(numbering)) = &mut self.numbering
            && let Ballot::Cast(Vote::Granted { counter }) = ballot
            && is_first
        {
            numbering.voted(node, counter);
        }
        self.progress(now)
    }

    /// A node has answered the request to raise its count; `now` is read after that.
    pub fn raised(&mut self, node: usize, ballot: Ballot, now: Moment) -> Progress {
        if let Some(Some(numbering)) = &mut self.numbering {
            numbering.raised(node, ballot);
        }
        self.progress(now)
    }

    /// The time that nodes had is over: all that are still silent have failed, though their calls
    /// have not returned. After this the attempt is decided.
    pub fn timed_out(&mut self, now: Moment) -> Progress {
        self.round.close(now);
        if let Some(Some(numbering)) = &mut self.numbering {
            numbering.close();
        }
        self.is_over = true;
        self.progress(now)
    }

    /// Ends the attempt without a lock, at whatever point it is.
    #[must_use]
    pub fn give_up(&self) -> Orders {
        if mutant::is(Mutant::OnlyGrantedReleased) {
            return Orders { release: self.returned.granted, outstanding: NodeSet::EMPTY };
        }
        Orders { release: self.returned.may_hold, outstanding: self.returned.silent }
    }

    /// Whether a node whose call ended like this may have a key of this attempt.
    ///
    /// A request that was not carried out has set nothing; but one to extend says nothing then of
    /// the key that was there before, nor does a refusal of it say anything of the other keys.
    #[must_use]
    pub fn may_hold(&self, node: usize, ballot: Ballot) -> bool {
        let had_it = self.before.contains(node);
        ballot.may_hold() || (had_it && (self.in_parts || !matches!(ballot, Ballot::Cast(_))))
    }

    /// The ballots that decided, or have been counted so far, and what has returned since.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        self.round.tally()
    }

    /// The moment from which validity counts.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// When it is no longer worth asking nodes to release: a node that was reached in time has
    /// forgotten by then.
    #[must_use]
    pub fn forgotten(&self) -> Moment {
        self.timing.forgotten(self.started, self.ttl)
    }

    const fn quorum(&self) -> Quorum {
        self.round.tally().quorum()
    }

    /// The call to this node has returned, with this.
    fn take_in(&mut self, node: usize, ballot: Ballot) {
        let may_hold = self.may_hold(node, ballot);
        let Returned { silent, granted, failed, may_hold: holding } = &mut self.returned;
        silent.remove(node);
        match ballot {
            Ballot::Cast(Vote::Granted { .. }) => granted.insert(node),
            Ballot::Failed(_) => failed.insert(node),
            Ballot::Cast(Vote::Refused(_)) | Ballot::Silent | Ballot::Unasked => {}
        }
        if may_hold {
            holding.insert(node);
        }
    }

    fn progress(&mut self, now: Moment) -> Progress {
        match self.round.verdict() {
            Verdict::Open => Progress::Open,
            Verdict::Carried => self.number(now),
            verdict => Progress::Failed(verdict),
        }
    }

    /// A quorum has granted: confirms the fence, if there is to be one.
    fn number(&mut self, now: Moment) -> Progress {
        if let Some(verdict) = self.unnumbered {
            return Progress::Failed(verdict);
        }
        let Some(numbering) = &mut self.numbering else {
            return Progress::Granted(self.tenure(None));
        };
        let numbering = numbering.get_or_insert_with(|| Numbering::of(self.round.tally()));
        let fence = numbering.fence();
        let silent = if self.is_over { NodeSet::EMPTY } else { self.returned.silent };
        let failed = if numbering.is_confirmed() {
            // The second round takes time as well.
            let until = self.started.after(self.timing.validity(self.ttl));
            if now < until || mutant::is(Mutant::LateGrant) {
                return Progress::Granted(self.tenure(Some(fence)));
            }
            Verdict::TooLate
        } else if numbering.is_possible(silent) {
            let nodes = numbering.raise();
            return if nodes.is_empty() { Progress::Open } else { Progress::Raise(nodes, fence) };
        } else {
            let silent = self.returned.silent.without(silent);
            let failed = self.returned.failed.union(silent).union(numbering.failed());
            let unreachable = failed.len() >= self.round.tally().quorum().blocking();
            if unreachable { Verdict::Unreachable } else { Verdict::Refused }
        };
        self.unnumbered = Some(failed);
        Progress::Failed(failed)
    }

    fn tenure(&self, fence: Option<Fence>) -> Tenure {
        let Returned { silent: outstanding, granted: held, may_hold, .. } = self.returned;
        let votes = Votes {
            held,
            // A node that had something before has it until its call says otherwise.
            may_hold: may_hold.union(outstanding.and(self.before)),
            outstanding,
            healing: NodeSet::EMPTY,
        };
        let tenure = Tenure::begin(self.quorum(), self.timing, self.ttl, self.started, votes);
        tenure.numbered(fence).in_parts(self.in_parts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::{Delivery, Drift, Failure, FailureKind, Late, Vote};

    const YES: Ballot = Ballot::Cast(Vote::granted());
    const NO: Ballot = Ballot::Cast(Vote::held_by_another(None));

    fn failed(delivery: Delivery) -> Ballot {
        Ballot::Failed(Failure { kind: FailureKind::Other, delivery })
    }

    fn start(nodes: usize) -> Attempt {
        let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
        Attempt::start(Quorum::of(nodes).unwrap(), ttl, Drift::default(), at(0))
    }

    /// The end of validity of [`start`]: 1000 ms less 1 % less 2 ms.
    const END: u64 = 988;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_secs(5) + Duration::from_millis(millis))
    }

    fn set<const N: usize>(nodes: [usize; N]) -> NodeSet {
        nodes.into_iter().collect()
    }

    #[test]
    fn validity_counts_from_the_start_and_not_from_any_answer() {
        let mut attempt = start(3);
        assert_eq!(attempt.answered(1, YES, at(100)), Progress::Open);
        let Progress::Granted(tenure) = attempt.answered(0, YES, at(200)) else {
            panic!("two of three granted");
        };
        assert_eq!(tenure.until(), at(END));
        assert_eq!(attempt.started(), at(0));
    }

    #[test]
    fn a_quorum_without_validity_left_is_a_failure() {
        let mut attempt = start(1);
        let late = at(END).after(Duration::from_nanos(1));
        assert_eq!(attempt.answered(0, YES, late), Progress::Failed(Verdict::TooLate));
        assert_eq!(attempt.give_up(), Orders { release: set([0]), outstanding: set([]) });
    }

    #[test]
    fn only_known_refusals_are_left_out_of_the_clean_up() {
        let mut attempt = start(5);
        attempt.answered(0, YES, at(1));
        attempt.answered(1, failed(Delivery::Unknown), at(1));
        attempt.answered(2, failed(Delivery::NotSent), at(1));
        assert_eq!(attempt.answered(3, NO, at(1)), Progress::Failed(Verdict::Refused));
        let orders = Orders { release: set([0, 1]), outstanding: set([4]) };
        assert_eq!(attempt.give_up(), orders);
        // What returns after the verdict changes the orders, never the verdict.
        assert_eq!(attempt.answered(4, YES, at(2)), Progress::Failed(Verdict::Refused));
        let orders = Orders { release: set([0, 1, 4]), outstanding: set([]) };
        assert_eq!(attempt.give_up(), orders);
    }

    #[test]
    fn a_timed_out_node_counts_as_failed_and_is_still_outstanding() {
        let mut attempt = start(3);
        attempt.answered(0, YES, at(1));
        assert_eq!(attempt.timed_out(at(50)), Progress::Failed(Verdict::Unreachable));
        assert_eq!(attempt.tally().failed(), set([1, 2]));
        let orders = Orders { release: set([0]), outstanding: set([1, 2]) };
        assert_eq!(attempt.give_up(), orders);
    }

    #[test]
    fn time_running_out_decides_every_attempt() {
        for nodes in 1..=5 {
            for answers in 0..nodes {
                let mut attempt = start(nodes);
                let mut progress = Progress::Open;
                for node in 0..answers {
                    progress = attempt.answered(node, YES, at(1));
                }
                if progress == Progress::Open {
                    progress = attempt.timed_out(at(50));
                }
                assert_ne!(progress, Progress::Open);
            }
        }
    }

    #[test]
    fn an_abandoned_attempt_waits_for_every_call() {
        let orders = Orders { release: set([]), outstanding: set([0, 1, 2]) };
        assert_eq!(start(3).give_up(), orders);
    }

    #[test]
    fn a_resumed_lease_must_be_extended_before_its_old_end() {
        let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
        let resume = |old_end| {
            Attempt::resume(Quorum::of(1).unwrap(), ttl, Drift::default(), at(0), old_end)
        };
        let until = |progress| match progress {
            Progress::Granted(tenure) => tenure.until(),
            other => panic!("{other:?}"),
        };
        assert_eq!(until(resume(Some(at(300))).answered(0, YES, at(299))), at(END));
        let late = resume(Some(at(300))).answered(0, YES, at(300));
        assert_eq!(late, Progress::Failed(Verdict::TooLate));
        assert_eq!(until(resume(None).answered(0, YES, at(END - 1))), at(END));
        let late = resume(Some(at(5000))).answered(0, YES, at(END));
        assert_eq!(late, Progress::Failed(Verdict::TooLate));
    }

    #[test]
    fn an_extension_that_did_not_reach_a_node_says_nothing_of_its_key() {
        let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
        let quorum = Quorum::of(3).unwrap();
        let mut attempt = Attempt::resume(quorum, ttl, Drift::default(), at(0), None);
        attempt.answered(0, failed(Delivery::NotSent), at(1));
        attempt.answered(1, NO, at(1));
        let orders = Orders { release: set([0]), outstanding: set([2]) };
        assert_eq!(attempt.give_up(), orders);
        assert!(attempt.may_hold(2, failed(Delivery::NotSent)));
        assert!(!attempt.may_hold(2, NO));
        assert!(!start(3).may_hold(2, failed(Delivery::NotSent)));

        let mut attempt = Attempt::resume(quorum, ttl, Drift::default(), at(0), None);
        attempt.answered(0, YES, at(1));
        let Progress::Granted(mut tenure) = attempt.answered(1, YES, at(1)) else {
            panic!("two of three extended");
        };
        assert_eq!(tenure.may_hold(), set([0, 1, 2]));
        assert_eq!(tenure.end(), Some(set([0, 1])));
        assert_eq!(tenure.late(2, failed(Delivery::NotSent)), Late::Release);
    }

    #[test]
    fn it_is_worth_undoing_for_as_long_as_nodes_may_remember() {
        assert_eq!(start(1).forgotten(), at(2012));
    }

    #[test]
    fn votes_that_are_outstanding_at_the_grant_are_known_to_the_tenure() {
        let mut attempt = start(5);
        attempt.answered(4, NO, at(1));
        attempt.answered(0, YES, at(1));
        attempt.answered(1, YES, at(1));
        let Progress::Granted(mut tenure) = attempt.answered(2, YES, at(1)) else {
            panic!("three of five granted");
        };
        assert_eq!(tenure.held(), set([0, 1, 2]));
        assert_eq!(tenure.outstanding(), set([3]));
        // The node that refused has nothing of it.
        assert_eq!(tenure.end(), Some(set([0, 1, 2])));
    }

    #[test]
    fn a_node_that_has_lost_a_part_of_a_lease_may_have_the_others() {
        let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
        let quorum = Quorum::of(3).unwrap();
        let whole = Attempt::resume(quorum, ttl, Drift::default(), at(0), None);
        for (mut attempt, release) in [(whole.clone(), 0), (whole.in_parts(), 2)] {
            attempt.answered(0, NO, at(1));
            attempt.answered(1, NO, at(1));
            assert_eq!(attempt.give_up().release.len(), release);
        }
        let mut anew = start(3).in_parts();
        anew.answered(0, NO, at(1));
        assert!(anew.give_up().release.is_empty(), "it takes all of them or none");
    }
}
