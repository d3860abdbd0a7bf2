use super::{Ballot, Moment, NodeSet, Quorum, Tally};

/// One ask of all nodes: counts their ballots until a quorum has said yes or no longer can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Round {
    tally: Tally,
    /// The yeses are worth something only before this moment, if it is given.
    worthless_at: Option<Moment>,
    verdict: Verdict,
}

/// What a round has come to. Once it is not [`Open`](Self::Open) it does not change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Neither a quorum nor a blocking minority yet.
    Open,
    /// A quorum said yes, in time.
    Carried,
    /// A quorum said yes, but too late for it to be worth anything.
    TooLate,
    /// Enough nodes could answer, and those that refused have made a quorum impossible.
    Refused,
    /// So many nodes failed that there are not enough left for a quorum, whatever they say.
    Unreachable,
}

impl Round {
    /// A round whose quorum must be complete before `worthless_at`, or may be whenever it likes.
    #[must_use]
    pub fn new(quorum: Quorum, worthless_at: Option<Moment>) -> Self {
        Self { tally: Tally::new(quorum), worthless_at, verdict: Verdict::Open }
    }

    /// Counts a node's ballot, read at `now`, which must be a reading taken after the ballot was
    /// in hand (requirement R5).
    pub fn enter(&mut self, node: usize, ballot: Ballot, now: Moment) -> Verdict {
        if self.verdict == Verdict::Open {
            self.tally.enter(node, ballot);
            self.verdict = self.count(now);
        }
        self.verdict
    }

    /// Notes the ballot of a node that was silent when the round was decided: worth knowing, no
    /// more.
    pub(super) fn note(&mut self, node: usize, ballot: Ballot) {
        self.tally.enter(node, ballot);
    }

    /// The time for answers is over: every node that is still silent has failed. After this the
    /// round is decided.
    pub fn close(&mut self, now: Moment) -> Verdict {
        if self.verdict == Verdict::Open {
            for node in self.silent().iter() {
                self.tally.enter(node, Ballot::TIMED_OUT);
            }
            self.verdict = self.count(now);
        }
        self.verdict
    }

    /// The ballots so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the round has come to.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The nodes that have not answered.
    #[must_use]
    pub fn silent(&self) -> NodeSet {
        self.tally.silent()
    }

    fn count(&self, now: Moment) -> Verdict {
        let quorum = self.tally.quorum();
        let failed = self.tally.failed().len();
        if self.tally.granted().len() >= quorum.needed() {
            match self.worthless_at {
                Some(end) if now >= end => Verdict::TooLate,
                _ => Verdict::Carried,
            }
        } else if failed >= quorum.blocking() {
            Verdict::Unreachable
        } else if failed.saturating_add(self.tally.refused().len()) >= quorum.blocking() {
            Verdict::Refused
        } else {
            Verdict::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::Vote;

    const YES: Ballot = Ballot::Cast(Vote::granted());
    const NO: Ballot = Ballot::Cast(Vote::held_by_another(None));
    const FAILED: Ballot = Ballot::TIMED_OUT;

    fn quorum(nodes: usize) -> Quorum {
        Quorum::of(nodes).unwrap()
    }

    fn run(ballots: &[Ballot]) -> (Verdict, usize) {
        let mut round = Round::new(quorum(ballots.len()), None);
        for (node, &ballot) in ballots.iter().enumerate() {
            if round.enter(node, ballot, Moment::ORIGIN) != Verdict::Open {
                return (round.verdict(), node + 1);
            }
        }
        (Verdict::Open, ballots.len())
    }

    #[test]
    fn it_decides_at_the_first_ballot_that_settles_it() {
        assert_eq!(run(&[YES, YES, NO, NO, YES]), (Verdict::Carried, 5));
        assert_eq!(run(&[YES, YES, YES, NO, NO]), (Verdict::Carried, 3));
        assert_eq!(run(&[NO, NO, YES, NO, YES]), (Verdict::Refused, 4));
        assert_eq!(run(&[FAILED, FAILED, FAILED, YES, YES]), (Verdict::Unreachable, 3));
        assert_eq!(run(&[FAILED, NO, YES, FAILED, YES]), (Verdict::Refused, 4));
        assert_eq!(run(&[YES, NO]), (Verdict::Refused, 2));
        assert_eq!(run(&[FAILED]), (Verdict::Unreachable, 1));
    }

    /// R24, exhaustively: every order of every mix of ballots for up to five nodes. The verdict
    /// comes exactly when it can no longer be otherwise, and never changes afterwards.
    #[test]
    fn every_order_of_ballots_is_decided_as_soon_as_it_can_be() {
        fn walk(round: &Round, left: usize) {
            let tally = round.tally();
            let needed = tally.quorum().needed();
            let yes = tally.granted().len();
            let can_carry = yes + left >= needed;
            match round.verdict() {
                Verdict::Open => {
                    assert!(yes < needed && can_carry, "undecided too long: {tally:?}")
                }
                Verdict::Carried => assert!(yes >= needed, "{tally:?}"),
                Verdict::Refused => {
                    assert!(!can_carry && !tally.refused().is_empty(), "{tally:?}");
                }
                Verdict::Unreachable => {
                    assert!(!can_carry && tally.failed().len() >= tally.quorum().blocking());
                }
                Verdict::TooLate => panic!("no deadline was given"),
            }
            for node in round.silent().iter() {
                for ballot in [YES, NO, FAILED] {
                    let mut next = round.clone();
                    let verdict = next.enter(node, ballot, Moment::ORIGIN);
                    if round.verdict() == Verdict::Open {
                        walk(&next, left - 1);
                    } else {
                        assert_eq!(verdict, round.verdict(), "a verdict never changes");
                        assert_eq!(&next, round);
                    }
                }
            }
        }
        for nodes in 1..=5 {
            walk(&Round::new(quorum(nodes), None), nodes);
        }
    }

    #[test]
    fn closing_decides_and_notes_every_silent_node() {
        let mut round = Round::new(quorum(5), None);
        round.enter(0, YES, Moment::ORIGIN);
        round.enter(1, NO, Moment::ORIGIN);
        assert_eq!(round.close(Moment::ORIGIN), Verdict::Unreachable);
        assert_eq!(round.tally().failed(), [2, 3, 4].into_iter().collect());
        assert!(round.silent().is_empty());

        let mut decided = Round::new(quorum(1), None);
        decided.enter(0, YES, Moment::ORIGIN);
        assert_eq!(decided.close(Moment::ORIGIN), Verdict::Carried);
    }

    #[test]
    fn a_quorum_at_the_end_of_its_worth_is_too_late() {
        let end = Moment::at(Duration::from_millis(10));
        let decide = |now| Round::new(quorum(1), Some(end)).enter(0, YES, now);
        assert_eq!(decide(end.before(Duration::from_nanos(1))), Verdict::Carried);
        assert_eq!(decide(end), Verdict::TooLate);
        assert_eq!(decide(end.after(Duration::from_nanos(1))), Verdict::TooLate);
    }
}
