use super::{
    Ballot, Loss, LossReason, Moment, NodeSet, Refusal, Round, Tally, Tenure, Ttl, Verdict, Vote,
    mutant::{self, Mutant},
    tenure::{Phase, Votes},
};

/// One try to extend a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    pub(super) serial: u32,
    pub(super) started: Moment,
    pub(super) ttl: Ttl,
    pub(super) asked: NodeSet,
    pub(super) round: Round,
}

/// Where an extension stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionStep {
    /// Undecided.
    Open,
    /// The lock is held until the given moment.
    Extended(Moment),
    /// The extension failed; the lock is held as before, until its old end.
    Unchanged(Verdict),
    /// The lock is lost, and has been declared so before anything is released (requirement R31).
    Lost(Loss),
    /// The answer belongs to an extension that is no longer under way, and changed nothing
    /// (requirement R33).
    Ignored,
}

impl Extension {
    /// The moment from which its validity counts.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// The nodes to ask: all but those whose call to acquire has not returned, which an extension
    /// could overtake.
    #[must_use]
    pub const fn asked(&self) -> NodeSet {
        self.asked
    }

    /// The ballots so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        self.round.tally()
    }
}

impl Tenure {
    /// Starts to extend the lock to at least `ttl` from `now`, which must be read before the first
    /// byte for any node is sent. [`Extension::asked`] tells which nodes to ask.
    ///
    /// # Errors
    ///
    /// The [`Loss`], if the lock is lost; then no node must be asked to extend (requirement R29).
    pub fn extend(&mut self, ttl: Ttl, now: Moment) -> Result<Extension, Loss> {
        if !self.is_valid(now) && !mutant::is(Mutant::ExtendedAfterEnd) {
            return Err(self.lose(LossReason::Expired));
        }
        // A call that has not healed its node by now may never return. The node is asked as the
        // others are, and what the call may still do is undone with the rest.
        let Votes { outstanding, may_hold, healing, .. } = self.votes;
        self.votes.outstanding = outstanding.without(healing);
        self.votes.may_hold = may_hold.union(healing);
        self.votes.healing = NodeSet::EMPTY;
        self.serial = self.serial.wrapping_add(1);
        self.forgotten = self.forgotten.max(self.timing.forgotten(now, ttl));
        Ok(Extension {
            serial: self.serial,
            started: now,
            ttl,
            asked: self.quorum.all().without(self.votes.outstanding),
            // Only yeses that are in hand before the old end continue the lock (Theorem 2, R30),
            // so the old end and not the new one is when they become worthless.
            round: Round::new(
                self.quorum,
                (!mutant::is(Mutant::LateExtension)).then_some(self.until),
            ),
        })
    }

    /// A node answered an extension; `now` is read after that.
    pub fn extension_answered(
        &mut self,
        extension: &mut Extension,
        node: usize,
        ballot: Ballot,
        now: Moment,
    ) -> ExtensionStep {
        if extension.serial != self.serial || self.phase != Phase::Held {
            return ExtensionStep::Ignored;
        }
        self.note(node, ballot);
        let mut counted = ballot;
        if mutant::is(Mutant::AbsentCounted)
            && let Ballot::Cast(Vote::Refused(Refusal::NotHeld)) = ballot
        {
            counted = Ballot::Cast(Vote::granted());
        }
        extension.round.enter(node, counted, now);
        let answered = self.quorum.all().without(extension.round.silent());
        if extension.asked.without(answered).is_empty() {
            // The others were not asked, so there is nothing to wait for.
            extension.round.close(now);
        }
        self.step(extension, now)
    }

    /// The time that nodes had for an extension is over. After this it is decided.
    pub fn extension_timed_out(&mut self, extension: &mut Extension, now: Moment) -> ExtensionStep {
        if extension.serial != self.serial || self.phase != Phase::Held {
            return ExtensionStep::Ignored;
        }
        extension.round.close(now);
        self.step(extension, now)
    }

    /// An extension that has been decided still hears from a node: worth knowing, no more.
    pub fn extension_late(&mut self, node: usize, ballot: Ballot) {
        if self.phase == Phase::Held {
            self.note(node, ballot);
        }
    }

    /// Takes in all that the nodes of an extension have said, also after it was decided.
    ///
    /// An extension fails as soon as it cannot succeed, which may be for nodes that failed; if so
    /// many others definitely do not have the key that no quorum is left, the lock is lost all the
    /// same (requirement R32).
    pub fn extension_returned(&mut self, returned: &Tally) -> Option<Loss> {
        let lost = returned.refused().len() >= self.quorum.blocking()
            && !mutant::is(Mutant::DefiniteNoIgnored);
        (lost && self.phase == Phase::Held).then(|| self.lose(LossReason::QuorumLost))
    }

    fn step(&mut self, extension: &Extension, now: Moment) -> ExtensionStep {
        match extension.round.verdict() {
            Verdict::Open => ExtensionStep::Open,
            Verdict::Carried => {
                let end =
                    extension.started.after(self.timing.validity(extension.ttl)).min(self.limit);
                self.until = self.until.max(end);
                if mutant::is(Mutant::ExtensionShortens) {
                    self.until = end;
                }
                ExtensionStep::Extended(self.until)
            }
            // A blocking minority that definitely does not have the key leaves no quorum (R32),
            // even though the clock would still allow it. Failures prove nothing.
            _ if extension.tally().refused().len() >= self.quorum.blocking()
                && !mutant::is(Mutant::DefiniteNoIgnored) =>
            {
                ExtensionStep::Lost(self.lose(LossReason::QuorumLost))
            }
            _ if now >= self.until => ExtensionStep::Lost(self.lose(LossReason::Expired)),
            verdict => {
                if mutant::is(Mutant::FailedExtensionReleases) {
                    let (reason, release) = (LossReason::Expired, self.votes.held);
                    return ExtensionStep::Lost(Loss { reason, release });
                }
                ExtensionStep::Unchanged(verdict)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::{
        Drift, Ending, Late, Quorum, Timing,
        tenure::{Votes, fixture::*},
    };

    #[test]
    fn a_lock_that_was_given_away_is_neither_valid_nor_deleted() {
        let mut tenure = held();
        tenure.give_away();
        assert!(!tenure.is_valid(at(1)));
        assert_eq!(tenure.end(), None);
        assert_eq!(tenure.late(2, YES), Late::Noted);
        let loss = Loss { reason: LossReason::Expired, release: NodeSet::EMPTY };
        assert_eq!(tenure.extend(ttl(1000), at(1)), Err(loss));
        // Whoever tries to extend it all the same has not lost it either.
        assert_eq!(tenure.ending(), Some(Ending::GivenAway));
        assert_eq!(tenure.late(2, YES), Late::Noted);
        assert_eq!(tenure.end(), None);

        let mut tenure = held();
        tenure.end();
        assert_eq!(tenure.extend(ttl(1000), at(1)), Err(loss));
        assert_eq!(tenure.ending(), Some(Ending::Released));
    }

    #[test]
    fn an_extension_counts_from_its_own_start() {
        let mut tenure = held();
        tenure.late(2, YES);
        let mut extension = tenure.extend(ttl(1000), at(300)).unwrap();
        assert_eq!(extension.asked(), set([0, 1, 2]));
        assert_eq!(answer(&mut tenure, &mut extension, &[(0, YES)], at(400)), ExtensionStep::Open);
        let step = answer(&mut tenure, &mut extension, &[(2, YES)], at(500));
        assert_eq!(step, ExtensionStep::Extended(at(300 + END)));
        assert!(tenure.is_valid(at(300 + END - 1)));
    }

    #[test]
    fn a_shorter_extension_never_shortens() {
        let mut tenure = held();
        let mut extension = tenure.extend(ttl(100), at(0)).unwrap();
        let step = answer(&mut tenure, &mut extension, &[(0, YES), (1, YES)], at(1));
        assert_eq!(step, ExtensionStep::Extended(at(END)));
    }

    #[test]
    fn nodes_whose_acquire_is_outstanding_are_not_asked_to_extend() {
        let mut tenure = held();
        assert_eq!(tenure.extend(ttl(1000), at(0)).unwrap().asked(), set([0, 1]));
    }

    #[test]
    fn an_extension_is_decided_when_every_node_that_was_asked_has_answered() {
        // Node 2 is outstanding: it was not asked, and no answer of it is to come.
        for (last, verdict) in
            [(YES, Verdict::Unreachable), (FAILED, Verdict::Unreachable), (GONE, Verdict::Refused)]
        {
            let mut tenure = held();
            let mut extension = tenure.extend(ttl(1000), at(100)).unwrap();
            let ballots = [(0, FAILED), (1, last)];
            let step = answer(&mut tenure, &mut extension, &ballots, at(101));
            assert_eq!(step, ExtensionStep::Unchanged(verdict));
            assert_eq!(tenure.until(), at(END));
        }
    }

    #[test]
    fn an_expired_lock_is_not_extended_but_lost_and_cleaned_up_once() {
        let mut tenure = held();
        let loss = Loss { reason: LossReason::Expired, release: set([0, 1]) };
        assert_eq!(tenure.extend(ttl(1000), at(END)), Err(loss));
        assert!(!tenure.is_valid(at(0)));
        let again = Loss { release: NodeSet::EMPTY, ..loss };
        assert_eq!(tenure.extend(ttl(1000), at(END)), Err(again));
        assert_eq!(tenure.end(), None);
    }

    #[test]
    fn a_quorum_that_is_complete_only_at_the_old_end_is_too_late() {
        let mut tenure = held();
        let mut extension = tenure.extend(ttl(1000), at(900)).unwrap();
        let step = answer(&mut tenure, &mut extension, &[(0, YES), (1, YES)], at(END));
        let loss = Loss { reason: LossReason::Expired, release: set([0, 1]) };
        assert_eq!(step, ExtensionStep::Lost(loss));
    }

    #[test]
    fn failures_leave_the_lock_as_it_was() {
        let mut tenure = held();
        let mut extension = tenure.extend(ttl(1000), at(100)).unwrap();
        let step = answer(&mut tenure, &mut extension, &[(0, FAILED), (1, FAILED)], at(200));
        assert_eq!(step, ExtensionStep::Unchanged(Verdict::Unreachable));
        assert_eq!(tenure.until(), at(END));
        assert!(tenure.is_valid(at(END - 1)));
        assert_eq!(tenure.held(), set([0, 1]));

        let mut extension = tenure.extend(ttl(1000), at(300)).unwrap();
        let step = answer(&mut tenure, &mut extension, &[(0, FAILED), (1, GONE)], at(400));
        assert_eq!(step, ExtensionStep::Unchanged(Verdict::Refused));
        assert!(tenure.is_valid(at(END - 1)));

        let mut extension = tenure.extend(ttl(1000), at(500)).unwrap();
        let step = tenure.extension_timed_out(&mut extension, at(600));
        assert_eq!(step, ExtensionStep::Unchanged(Verdict::Unreachable));
        let mut extension = tenure.extend(ttl(1000), at(900)).unwrap();
        let step = tenure.extension_timed_out(&mut extension, at(END));
        assert!(matches!(step, ExtensionStep::Lost(Loss { reason: LossReason::Expired, .. })));
    }

    #[test]
    fn a_blocking_minority_of_definite_noes_is_a_loss_at_once() {
        for (one, other) in [(GONE, GONE), (OTHER, GONE), (OTHER, OTHER)] {
            let mut tenure = held();
            tenure.late(2, YES);
            let mut extension = tenure.extend(ttl(1000), at(100)).unwrap();
            let step = answer(&mut tenure, &mut extension, &[(0, one), (2, other)], at(101));
            let loss = Loss { reason: LossReason::QuorumLost, release: set([0, 1, 2]) };
            assert_eq!(step, ExtensionStep::Lost(loss));
            assert!(!tenure.is_valid(at(102)));
            // The first reason stands, also when the clock agrees later on.
            let again = Loss { release: NodeSet::EMPTY, ..loss };
            assert_eq!(tenure.extend(ttl(1000), at(END)), Err(again));
        }
    }

    #[test]
    fn definite_noes_after_the_verdict_are_a_loss_all_the_same() {
        let mut tenure = held();
        let mut returned = Tally::new(Quorum::of(3).unwrap());
        returned.enter(0, FAILED);
        returned.enter(1, GONE);
        assert_eq!(tenure.extension_returned(&returned), None);
        assert!(tenure.is_valid(at(1)));
        returned.enter(2, OTHER);
        let loss = Loss { reason: LossReason::QuorumLost, release: set([0, 1]) };
        assert_eq!(tenure.extension_returned(&returned), Some(loss));
        assert!(!tenure.is_valid(at(1)));
        assert_eq!(tenure.extension_returned(&returned), None, "only once");
    }

    #[test]
    fn answers_to_an_earlier_extension_or_after_the_end_are_ignored() {
        let mut tenure = held();
        let mut first = tenure.extend(ttl(1000), at(100)).unwrap();
        let mut second = tenure.extend(ttl(1000), at(200)).unwrap();
        let before = tenure.clone();
        let step = answer(&mut tenure, &mut first, &[(0, YES), (1, YES)], at(300));
        assert_eq!(step, ExtensionStep::Ignored);
        assert_eq!(tenure.extension_timed_out(&mut first, at(300)), ExtensionStep::Ignored);
        assert_eq!(tenure, before);
        tenure.end();
        let step = answer(&mut tenure, &mut second, &[(0, YES), (1, YES)], at(300));
        assert_eq!(step, ExtensionStep::Ignored);
        assert!(!tenure.is_valid(at(301)));
    }

    #[test]
    fn late_answers_to_an_extension_tell_who_holds() {
        let mut tenure = held();
        tenure.extension_late(1, GONE);
        tenure.extension_late(2, YES);
        tenure.extension_late(0, FAILED);
        assert_eq!(tenure.held(), set([0, 2]));
        tenure.end();
        tenure.extension_late(1, YES);
        assert_eq!(tenure.held(), set([0, 2]));
    }

    #[test]
    fn nodes_are_asked_to_release_for_as_long_as_they_may_remember() {
        let mut tenure = held();
        assert_eq!(tenure.forgotten(), at(2012));
        tenure.extend(ttl(1000), at(500)).unwrap();
        assert_eq!(tenure.forgotten(), at(2512));
        tenure.extend(ttl(100), at(600)).unwrap();
        assert_eq!(tenure.forgotten(), at(2512));
    }

    #[test]
    fn a_lock_is_held_for_no_longer_than_its_longest_hold() {
        let votes = Votes {
            held: set([0, 1]),
            may_hold: set([0, 1]),
            outstanding: NodeSet::EMPTY,
            healing: NodeSet::EMPTY,
        };
        let timing = Timing::new(Drift::default()).max_hold(Duration::from_millis(1500));
        let mut tenure = Tenure::begin(Quorum::of(3).unwrap(), timing, ttl(1000), at(0), votes);
        assert_eq!(tenure.until(), at(END));
        assert!(!tenure.is_at_its_limit());
        let mut extension = tenure.extend(ttl(1000), at(900)).unwrap();
        let step = answer(&mut tenure, &mut extension, &[(0, YES), (1, YES)], at(910));
        assert_eq!(step, ExtensionStep::Extended(at(1500)));
        assert!(tenure.is_at_its_limit());
        let loss = tenure.extend(ttl(1000), at(1500)).unwrap_err();
        assert_eq!(loss.reason, LossReason::HeldTooLong);
        assert_eq!(tenure.ending(), Some(Ending::Lost(LossReason::HeldTooLong)));
    }
}
