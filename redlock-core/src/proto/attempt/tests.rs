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
    let resume =
        |old_end| Attempt::resume(Quorum::of(1).unwrap(), ttl, Drift::default(), at(0), old_end);
    let until = |progress| match progress {
        Progress::Granted(tenure) => tenure.until(),
        other => panic!("{other:?}"),
    };
    assert_eq!(until(resume(Some(at(300))).answered(0, YES, at(299))), at(END));
    let late = resume(Some(at(300))).answered(0, YES, at(300));
    assert_eq!(late, Progress::Failed(Verdict::TooLate));
    assert_eq!(until(resume(None).answered(0, YES, at(END - 1))), at(END));
    let late = resume(None).answered(0, YES, at(END));
    assert_eq!(late, Progress::Failed(Verdict::TooLate));
}

#[test]
fn a_lease_that_is_resumed_for_less_than_it_has_keeps_its_end() {
    let ttl = Ttl::new(Duration::from_millis(1000)).unwrap();
    let resume = |timing: Timing| {
        Attempt::resume(Quorum::of(1).unwrap(), ttl, timing, at(0), Some(at(5000)))
    };
    let timing = Timing::new(Drift::default());
    assert_eq!(resume(timing).old_end(), Some(at(5000)));
    for answered in [1, END, 4999] {
        let Progress::Granted(tenure) = resume(timing).answered(0, YES, at(answered)) else {
            panic!("in time at {answered}");
        };
        assert_eq!(tenure.until(), at(5000));
    }
    let late = resume(timing).answered(0, YES, at(5000));
    assert_eq!(late, Progress::Failed(Verdict::TooLate));

    let limited = timing.max_hold(Duration::from_millis(1500));
    let Progress::Granted(tenure) = resume(limited).answered(0, YES, at(1)) else {
        panic!("in time");
    };
    assert_eq!(tenure.until(), at(1500), "no longer than its longest hold");
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
