//! The rules are total (requirement R55): whatever comes in, in whatever order and at whatever
//! time, they decide and do not panic; and what they decide stays within the laws.

use std::time::Duration;

use proptest::prelude::*;
use redlock_core::proto::{
    Attempt, Ballot, Delivery, Drift, Extension, ExtensionStep, Failure, FailureKind, Moment,
    Progress, Quorum, Tenure, Ttl, Undo, Vote,
};

fn ballots() -> impl Strategy<Value = Ballot> {
    let kinds = prop_oneof![Just(FailureKind::TimedOut), Just(FailureKind::Closed)];
    let deliveries =
        prop_oneof![Just(Delivery::NotSent), Just(Delivery::Unknown), Just(Delivery::Refused)];
    prop_oneof![
        1 => Just(Ballot::Silent),
        4 => Just(Ballot::Cast(Vote::granted())),
        2 => Just(Ballot::Cast(Vote::not_held())),
        1 => any::<Option<Duration>>().prop_map(|left| Ballot::Cast(Vote::held_by_another(left))),
        2 => (kinds, deliveries)
            .prop_map(|(kind, delivery)| Ballot::Failed(Failure { kind, delivery })),
    ]
}

#[derive(Clone, Debug)]
enum Input {
    Answer(usize, Ballot),
    TimeOut,
    Extend(Ttl),
    ExtensionAnswer(usize, Ballot),
    ExtensionTimeOut,
    ExtensionLate(usize, Ballot),
    GiveAway,
    End,
}

fn ttls() -> impl Strategy<Value = Ttl> {
    prop_oneof![1_u64..5_000, Just(3_153_600_000_000)]
        .prop_map(|millis| Ttl::new(Duration::from_millis(millis)).expect("within the limits"))
}

fn inputs() -> impl Strategy<Value = Input> {
    // Some nodes do not exist.
    let node = 0..70_usize;
    prop_oneof![
        8 => (0..6_usize, ballots()).prop_map(|(node, ballot)| Input::Answer(node, ballot)),
        8 => (0..6_usize, ballots()).prop_map(|(node, ballot)| Input::ExtensionAnswer(node, ballot)),
        1 => (node, ballots()).prop_map(|(node, ballot)| Input::ExtensionLate(node, ballot)),
        2 => ttls().prop_map(Input::Extend),
        1 => Just(Input::TimeOut),
        1 => Just(Input::ExtensionTimeOut),
        1 => Just(Input::GiveAway),
        1 => Just(Input::End),
    ]
}

/// What the laws say of a held lock, whatever has just happened to it.
fn lawful(tenure: &Tenure, now: Moment, ended: bool) {
    assert_eq!(tenure.is_valid(now), !tenure.remaining(now).is_zero());
    assert!(!(ended && tenure.is_valid(now)), "an ended lock is never valid again");
    assert!(!tenure.is_valid(tenure.until()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_input_in_any_order_is_decided_within_the_laws(
        nodes in 1_usize..6,
        ttl in ttls(),
        start in prop_oneof![Just(0_u64), 0..u64::MAX, Just(u64::MAX)],
        steps in prop::collection::vec((inputs(), 0_u64..2_000_000_000), 0..60),
    ) {
        let quorum = Quorum::of(nodes).expect("between one and five");
        let mut now = Moment::at(Duration::from_nanos(start));
        let mut attempt = Attempt::start(quorum, ttl, Drift::default(), now);
        let mut held: Option<Tenure> = None;
        let mut extension: Option<Extension> = None;
        let mut ended = false;
        for (input, later) in steps {
            now = now.after(Duration::from_nanos(later));
            match (&mut held, input) {
                (None, Input::Answer(node, ballot)) => {
                    if let Progress::Granted(tenure) = attempt.answered(node, ballot, now) {
                        prop_assert!(tenure.is_valid(now), "granted without validity");
                        prop_assert!(tenure.held().len() >= quorum.needed());
                        held = Some(tenure);
                    }
                }
                (None, Input::TimeOut) => {
                    prop_assert_ne!(attempt.timed_out(now), Progress::Open);
                }
                (None, _) => {
                    let orders = attempt.give_up();
                    prop_assert!(orders.release.without(orders.outstanding) == orders.release);
                }
                (Some(tenure), Input::Answer(node, ballot)) => {
                    let until = tenure.until();
                    tenure.late(node, ballot);
                    prop_assert_eq!(tenure.until(), until, "a late vote buys no time");
                }
                (Some(tenure), Input::Extend(ttl)) => match tenure.extend(ttl, now) {
                    Ok(begun) => extension = Some(begun),
                    Err(_) => ended = true,
                },
                (Some(tenure), Input::ExtensionAnswer(node, ballot)) => {
                    let (until, valid) = (tenure.until(), tenure.is_valid(now));
                    if let Some(extension) = &mut extension {
                        match tenure.extension_answered(extension, node, ballot, now) {
                            ExtensionStep::Extended(later) => prop_assert!(later >= until && (valid || now >= until)),
                            ExtensionStep::Lost(_) => ended = true,
                            _ => prop_assert_eq!(tenure.until(), until),
                        }
                    }
                }
                (Some(tenure), Input::ExtensionTimeOut) => {
                    if let Some(extension) = &mut extension
                        && let ExtensionStep::Lost(_) = tenure.extension_timed_out(extension, now)
                    {
                        ended = true;
                    }
                }
                (Some(tenure), Input::ExtensionLate(node, ballot)) => {
                    tenure.extension_late(node, ballot);
                }
                (Some(tenure), Input::GiveAway) => {
                    tenure.give_away();
                    ended = true;
                }
                (Some(tenure), Input::End) => {
                    tenure.end();
                    ended = true;
                    prop_assert_eq!(tenure.end(), None);
                }
                (Some(_), Input::TimeOut) => {}
            }
            if let Some(tenure) = &held {
                lawful(tenure, now, ended);
            }
        }
    }

    #[test]
    fn undoing_ends(ballots in prop::collection::vec(ballots(), 200), give_up in any::<u64>()) {
        use redlock_core::proto::UndoStep;
        let give_up = Moment::at(Duration::from_nanos(give_up));
        let mut now = give_up.before(Duration::from_secs(30));
        let mut undo = Undo::between(now, give_up);
        let asked = ballots.iter().take_while(|&&ballot| match undo.answered(ballot, now) {
            UndoStep::Done => false,
            UndoStep::AskAgain(at) => {
                assert!(at > now && at < give_up);
                now = at;
                true
            }
        });
        prop_assert!(asked.count() < 40);
    }
}
