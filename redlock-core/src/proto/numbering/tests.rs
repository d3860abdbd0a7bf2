use std::time::Duration;

use super::*;
use crate::proto::{
    Attempt, Delivery, Drift, Failure, FailureKind, Moment, Progress, Ttl, Verdict,
};

const NO: Ballot = Ballot::Cast(Vote::held_by_another(None));
const GONE: Ballot = Ballot::Cast(Vote::not_held());
const UNCOUNTED: Ballot = Ballot::Cast(Vote::granted());
const FAILED: Ballot =
    Ballot::Failed(Failure { kind: FailureKind::Closed, delivery: Delivery::Unknown });

const fn count(number: u64) -> Ballot {
    Ballot::Cast(Vote::counted(Fence::new(number)))
}

fn at(millis: u64) -> Moment {
    Moment::ORIGIN.after(Duration::from_millis(millis))
}

fn start(nodes: usize) -> Attempt {
    let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
    Attempt::start(Quorum::of(nodes).unwrap(), ttl, Drift::default(), at(0))
}

/// The end of validity of [`start`]: 1000 ms less 1 % less 2 ms.
const END: u64 = 988;

fn set<const N: usize>(nodes: [usize; N]) -> NodeSet {
    nodes.into_iter().collect()
}

/// What became of a fenced attempt, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Open,
    Raise(NodeSet, u64),
    Had(u64),
    Failed(Verdict),
}

impl From<Progress> for Became {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Open => Self::Open,
            Progress::Raise(nodes, fence) => Self::Raise(nodes, fence.get()),
            Progress::Granted(tenure) => Self::Had(tenure.fence().unwrap().get()),
            Progress::Failed(verdict) => Self::Failed(verdict),
        }
    }
}

enum Step {
    /// A node's vote.
    Vote(usize, Ballot),
    /// Its answer when it is asked to raise its count.
    Raised(usize, Ballot),
    Over,
}
use Became::{Failed, Had, Open, Raise};
use Step::{Over, Raised, Vote as Voted};

/// What a fenced attempt over so many nodes becomes after each of these steps.
fn run(nodes: usize, steps: &[Step]) -> Vec<Became> {
    let mut attempt = start(nodes).fenced();
    let mut step = |step: &Step| match *step {
        Voted(node, ballot) => attempt.answered(node, ballot, at(1)).into(),
        Raised(node, ballot) => attempt.raised(node, ballot, at(1)).into(),
        Over => attempt.timed_out(at(1)).into(),
    };
    steps.iter().map(&mut step).collect()
}

#[test]
fn counts_that_agree_are_a_fence_at_once() {
    assert_eq!(run(1, &[Voted(0, count(7))]), [Had(7)]);
    assert_eq!(run(3, &[Voted(2, count(7)), Voted(0, count(7))]), [Open, Had(7)]);
    let five = [Voted(0, count(7)), Voted(1, NO), Voted(2, count(7)), Voted(4, count(7))];
    assert_eq!(run(5, &five), [Open, Open, Open, Had(7)]);
}

#[test]
fn the_largest_count_is_the_fence_once_it_stands_on_a_quorum() {
    let steps = [Voted(0, count(3)), Voted(1, count(5)), Raised(0, count(5))];
    assert_eq!(run(3, &steps), [Open, Raise(set([0]), 5), Had(5)]);
    let steps = [
        Voted(0, count(3)),
        Voted(1, count(5)),
        Voted(2, count(4)),
        Raised(2, count(5)),
        Raised(0, count(5)),
    ];
    assert_eq!(run(5, &steps), [Open, Open, Raise(set([0, 2]), 5), Open, Had(5)]);
}

#[test]
fn a_vote_that_comes_during_the_second_round_counts_for_what_it_is() {
    let late = |counter| {
        let steps =
            [Voted(0, count(3)), Voted(1, count(5)), Voted(2, count(counter)), Raised(2, count(5))];
        run(3, &steps)[2..].to_vec()
    };
    assert_eq!(late(5)[0], Had(5), "the same count needs no raise");
    assert_eq!(late(4), [Raise(set([2]), 5), Had(5)], "a smaller one is to be raised");
    assert_eq!(late(6), [Open, Open], "a larger one is no confirmation, and is not asked");
}

/// The vote was lost there and given again, perhaps after another had the same number.
#[test]
fn a_node_that_counts_on_by_the_time_it_is_raised_does_not_confirm() {
    let raised = |ballot| {
        let steps = [Voted(0, count(3)), Voted(1, count(5)), Raised(0, ballot)];
        run(2, &steps)[2]
    };
    assert_eq!(raised(count(6)), Failed(Verdict::Refused));
    assert_eq!(raised(count(4)), Failed(Verdict::Refused), "it did not do as it was asked");
    assert_eq!(raised(GONE), Failed(Verdict::Refused));
    assert_eq!(raised(NO), Failed(Verdict::Refused));
    assert_eq!(raised(FAILED), Failed(Verdict::Unreachable));
    assert_eq!(raised(UNCOUNTED), Failed(Verdict::Unreachable));
    assert_eq!(raised(count(5)), Had(5));
}

#[test]
fn it_is_given_up_as_soon_as_no_quorum_can_confirm() {
    let gone = |third| {
        let steps = [
            Voted(0, count(3)),
            Voted(1, count(5)),
            Raised(0, GONE),
            Voted(2, third),
            Raised(2, count(5)),
        ];
        run(3, &steps)[2..].to_vec()
    };
    let (refused, unreachable) = (Failed(Verdict::Refused), Failed(Verdict::Unreachable));
    assert_eq!(gone(count(4)), [Open, Raise(set([2]), 5), Had(5)]);
    assert_eq!(gone(count(6)), [Open, refused, refused]);
    assert_eq!(gone(NO), [Open, refused, refused]);
    assert_eq!(gone(FAILED), [Open, refused, refused], "one that failed blocks nothing");
    let steps = [Voted(0, count(3)), Voted(2, FAILED), Voted(1, count(5)), Raised(0, FAILED)];
    assert_eq!(run(3, &steps)[3], unreachable);
}

#[test]
fn the_second_round_has_no_more_time_than_the_first() {
    let vote = [Voted(0, count(3)), Voted(1, count(5))];
    let mut steps = Vec::from(vote);
    steps.extend([Over, Raised(0, count(5)), Voted(2, count(5)), Over]);
    let failed = Failed(Verdict::Unreachable);
    assert_eq!(run(3, &steps)[2..], [failed; 4], "whatever comes after the end");
    let steps = [Voted(0, count(5)), Over, Voted(1, count(5))];
    assert_eq!(run(3, &steps)[1..], [failed; 2]);
    // Of five, one said that it has no vote any more, and one did not answer.
    let steps = [
        Voted(0, count(5)),
        Voted(1, count(4)),
        Voted(2, count(3)),
        Voted(3, NO),
        Voted(4, NO),
        Raised(1, count(5)),
        Over,
    ];
    assert_eq!(run(5, &steps)[6], Failed(Verdict::Refused));
}

#[test]
fn a_fence_that_is_confirmed_after_the_end_of_validity_is_too_late() {
    let confirm = |now| {
        let mut attempt = start(2).fenced();
        attempt.answered(0, count(3), at(1));
        attempt.answered(1, count(5), at(END - 1));
        let became = Became::from(attempt.raised(0, count(5), now));
        assert_eq!(Became::from(attempt.timed_out(now)), became);
        became
    };
    assert_eq!(confirm(at(END).before(Duration::from_nanos(1))), Had(5));
    assert_eq!(confirm(at(END)), Failed(Verdict::TooLate));
    assert_eq!(confirm(at(END + 1)), Failed(Verdict::TooLate));
    let mut attempt = start(1).fenced();
    assert_eq!(attempt.answered(0, count(3), at(END)), Progress::Failed(Verdict::TooLate));
}

#[test]
fn nodes_that_do_not_count_confirm_nothing() {
    assert_eq!(run(1, &[Voted(0, UNCOUNTED)]), [Failed(Verdict::Unreachable)]);
    let steps = [Voted(0, UNCOUNTED), Voted(1, UNCOUNTED)];
    assert_eq!(run(3, &steps), [Open, Failed(Verdict::Unreachable)]);
    let steps = [Voted(0, UNCOUNTED), Voted(1, count(1)), Voted(2, count(1))];
    assert_eq!(run(3, &steps), [Open, Open, Had(1)]);
    let steps = [Voted(0, UNCOUNTED), Voted(1, count(1)), Voted(2, NO)];
    assert_eq!(run(3, &steps), [Open, Open, Failed(Verdict::Refused)]);
    let steps = [Voted(0, count(1)), Voted(1, UNCOUNTED), Voted(2, UNCOUNTED)];
    assert_eq!(run(3, &steps)[2], Failed(Verdict::Unreachable));
}

#[test]
fn what_was_not_asked_for_is_not_counted() {
    let steps = [
        Raised(1, count(5)),
        Voted(0, count(3)),
        Voted(1, count(5)),
        Raised(1, count(5)),
        Raised(2, count(5)),
        Raised(7, count(5)),
        Voted(7, count(5)),
        Voted(0, count(5)),
    ];
    assert!(run(3, &steps)[3..].iter().all(|became| *became == Open));
    let mut attempt = start(1);
    assert_eq!(attempt.raised(0, count(1), at(1)), Progress::Open);
    let Progress::Granted(tenure) = attempt.answered(0, count(7), at(1)) else {
        panic!("granted");
    };
    assert_eq!(tenure.fence(), None, "nobody asked for a fence");
}

/// Every order of every mix of answers of up to three nodes, with the time over at any point,
/// against the rule as the specification has it.
#[test]
fn every_order_of_answers_ends_as_the_rule_says() {
    for nodes in 1..=3 {
        let mut ends = 0;
        Walk::start(nodes).on(&mut ends);
        assert!(ends > nodes, "{ends}");
    }
}

/// An attempt, and what was said to it.
#[derive(Clone)]
struct Walk {
    attempt: Attempt,
    /// The same without a fence, which tells when a quorum has voted.
    plain: Attempt,
    votes: Vec<Option<Ballot>>,
    raised: Vec<Option<Ballot>>,
    asked: NodeSet,
    /// The largest count of the quorum that came first.
    fence: Option<u64>,
}

impl Walk {
    fn start(nodes: usize) -> Self {
        let none = vec![None; nodes];
        let (votes, raised) = (none.clone(), none);
        let (attempt, plain) = (start(nodes).fenced(), start(nodes));
        Self { attempt, plain, votes, raised, asked: NodeSet::EMPTY, fence: None }
    }

    /// Everything that can be said next, and what comes after that.
    fn on(&self, ends: &mut usize) {
        let mut over = self.clone();
        let became = over.attempt.timed_out(at(1)).into();
        assert!(matches!(became, Failed(_)), "{became:?}");
        for node in 0..self.votes.len() {
            if self.votes[node].is_none() {
                for ballot in [count(1), count(2), count(3), UNCOUNTED, NO, FAILED] {
                    let again = over.clone().attempt.answered(node, ballot, at(1));
                    assert_eq!(Became::from(again), became);
                    self.clone().voted(node, ballot, ends);
                }
            }
            if self.asked.contains(node) && self.raised[node].is_none() {
                for ballot in [count(1), count(2), count(3), count(4), UNCOUNTED, GONE, FAILED] {
                    let again = over.clone().attempt.raised(node, ballot, at(1));
                    assert_eq!(Became::from(again), became);
                    self.clone().answered(node, ballot, ends);
                }
            }
        }
    }

    fn voted(mut self, node: usize, ballot: Ballot, ends: &mut usize) {
        self.votes[node] = Some(ballot);
        let became = Became::from(self.attempt.answered(node, ballot, at(1)));
        match self.plain.answered(node, ballot, at(1)) {
            Progress::Granted(_) => {
                let largest = self.votes.iter().filter_map(|vote| counted(*vote)).max();
                self.fence.get_or_insert(largest.unwrap_or_default());
                self.check(became, ends);
            }
            progress => {
                assert_eq!(became, progress.clone().into());
                match progress {
                    Progress::Open => self.on(ends),
                    _ => *ends += 1,
                }
            }
        }
    }

    fn answered(mut self, node: usize, ballot: Ballot, ends: &mut usize) {
        self.raised[node] = Some(ballot);
        let became = Became::from(self.attempt.raised(node, ballot, at(1)));
        self.check(became, ends);
    }

    /// After a quorum has voted.
    fn check(mut self, became: Became, ends: &mut usize) {
        let fence = self.fence.unwrap();
        let needed = self.votes.len() / 2 + 1;
        let stands = |ballot| counted(ballot) == Some(fence);
        let smaller = |ballot| counted(ballot).is_some_and(|counter| counter < fence);
        let nodes = 0..self.votes.len();
        let confirmed = nodes.clone().filter(|&i| stands(self.votes[i]) || stands(self.raised[i]));
        let smaller: NodeSet = nodes.clone().filter(|&i| smaller(self.votes[i])).collect();
        let open = nodes.filter(|&i| {
            let silent = self.votes[i].is_none();
            silent || (smaller.contains(i) && self.raised[i].is_none())
        });
        let (confirmed, open) = (confirmed.count(), open.count());
        if confirmed >= needed {
            assert_eq!(became, Had(fence));
            *ends += 1;
        } else if confirmed + open < needed {
            assert!(matches!(became, Failed(Verdict::Refused | Verdict::Unreachable)));
            *ends += 1;
        } else {
            let new = smaller.without(self.asked);
            assert_eq!(became, if new.is_empty() { Open } else { Raise(new, fence) });
            self.asked = smaller;
            self.on(ends);
        }
    }
}

fn counted(ballot: Option<Ballot>) -> Option<u64> {
    match ballot? {
        Ballot::Cast(Vote::Granted { counter }) => counter.map(Fence::get),
        _ => None,
    }
}
