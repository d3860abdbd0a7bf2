use super::{fixture::*, *};
use crate::proto::{Delivery, Failure, FailureKind};

#[test]
fn validity_ends_by_the_clock_alone() {
    let tenure = held();
    assert!(tenure.is_valid(at(END - 1)));
    assert!(!tenure.is_valid(at(END)));
    assert_eq!(tenure.remaining(at(END - 8)), Duration::from_millis(8));
    assert_eq!(tenure.remaining(at(END + 8)), Duration::ZERO);
}

#[test]
fn ending_invalidates_first_and_then_names_the_nodes_once() {
    let mut tenure = held();
    let nodes = tenure.end();
    assert!(!tenure.is_valid(at(1)));
    assert_eq!(tenure.remaining(at(1)), Duration::ZERO);
    assert_eq!(nodes, Some(set([0, 1])));
    assert_eq!(tenure.end(), None);
}

#[test]
fn a_late_yes_joins_a_held_lock_and_never_revives_an_ended_one() {
    let mut tenure = held();
    assert_eq!(tenure.late(2, YES), Late::Noted);
    assert_eq!(tenure.held(), set([0, 1, 2]));
    assert_eq!(tenure.end(), Some(set([0, 1, 2])));

    for (ballot, late) in [(YES, Late::Release), (FAILED, Late::Release), (OTHER, Late::Noted)] {
        let mut tenure = held();
        tenure.end();
        assert_eq!(tenure.late(2, ballot), late);
        assert!(!tenure.is_valid(at(1)));
    }
}

#[test]
fn a_late_failure_is_released_with_the_lock_unless_it_certainly_set_nothing() {
    let failed = |delivery| Ballot::Failed(Failure { kind: FailureKind::Closed, delivery });
    for (ballot, released) in [
        (failed(Delivery::Unknown), set([0, 1, 2])),
        (failed(Delivery::NotSent), set([0, 1])),
        (OTHER, set([0, 1])),
    ] {
        let mut tenure = held();
        tenure.late(2, ballot);
        assert_eq!(tenure.end(), Some(released));
    }
}

#[test]
fn a_node_that_had_the_key_before_is_released_unless_it_says_otherwise() {
    let failed = Failure { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };
    for (ballot, late) in
        [(Ballot::Failed(failed), Late::Release), (YES, Late::Release), (GONE, Late::Noted)]
    {
        let mut tenure = held();
        tenure.votes.may_hold.insert(2);
        tenure.end();
        assert_eq!(tenure.late(2, ballot), late);
    }
}

#[test]
fn a_lock_is_declared_lost_a_little_before_its_end_and_once() {
    let mut tenure = held();
    let lead = Duration::from_millis(2);
    assert_eq!(tenure.expire(at(END - 3), lead), None);
    assert_eq!(tenure.ending(), None);
    let loss = tenure.expire(at(END - 2), lead).unwrap();
    assert_eq!(loss, Loss { reason: LossReason::Expired, release: set([0, 1]) });
    assert!(!tenure.is_valid(at(END - 2)));
    assert_eq!(tenure.ending(), Some(Ending::Lost(LossReason::Expired)));
    assert_eq!(tenure.expire(at(END), lead), None);
}

#[test]
fn a_lock_that_was_released_or_handed_on_is_not_lost_later() {
    let mut released = held();
    released.end();
    let mut handed_on = held();
    handed_on.give_away();
    for (mut tenure, ending) in [(released, Ending::Released), (handed_on, Ending::GivenAway)] {
        assert_eq!(tenure.expire(at(END), Duration::ZERO), None);
        assert_eq!(tenure.ending(), Some(ending));
    }
}

#[test]
fn a_lock_that_was_removed_is_lost_when_no_quorum_is_left_and_not_before() {
    for nodes in 0_u8..8 {
        let gone: NodeSet = (0..3).filter(|node| nodes & (1 << node) != 0).collect();
        let mut tenure = held();
        let loss = tenure.uprooted(gone);
        assert_eq!(loss.is_some(), gone.len() >= 2, "{gone:?}");
        assert_eq!(tenure.is_valid(at(1)), loss.is_none(), "{gone:?}");
        match loss {
            // The one whose answer is open is released when it comes.
            Some(loss) => {
                assert_eq!(loss, Loss { reason: LossReason::QuorumLost, release: set([0, 1]) });
                assert_eq!(tenure.ending(), Some(Ending::Lost(LossReason::QuorumLost)));
            }
            None => assert_eq!(tenure.held(), set([0, 1]).without(gone)),
        }
    }
}

#[test]
fn a_node_that_has_nothing_of_a_lock_is_none_that_is_left() {
    let mut tenure = held();
    assert_eq!(tenure.late(2, OTHER), Late::Noted);
    // Only one of those that granted it has it now, whatever the other one could be asked for.
    let loss = Loss { reason: LossReason::QuorumLost, release: set([0, 1]) };
    assert_eq!(tenure.uprooted(set([0])), Some(loss));
    assert!(!tenure.is_valid(at(1)));
}

#[test]
fn what_has_ended_is_not_lost_by_being_removed() {
    let mut tenure = held();
    tenure.late(2, GONE);
    tenure.end();
    assert_eq!(tenure.uprooted(set([0, 1, 2])), None);
    assert_eq!(tenure.ending(), Some(Ending::Released));
}
