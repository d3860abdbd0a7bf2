//! The rules are total (requirement R55): whatever comes in, in whatever order and at whatever
//! time, they decide and do not panic; and what they decide stays within the laws.

use std::time::Duration;

use proptest::prelude::*;
use redlock_core::proto::{
    Attempt, Ballot, Delivery, Drift, Ending, Extension, ExtensionStep, Failure, FailureKind,
    Fence, Moment, NodeSet, Progress, Quorum, Renewal, Tenure, Timing, Ttl, Undo, Vote,
};

fn ballots() -> impl Strategy<Value = Ballot> {
    let kinds = prop_oneof![Just(FailureKind::TimedOut), Just(FailureKind::Closed)];
    let deliveries =
        prop_oneof![Just(Delivery::NotSent), Just(Delivery::Unknown), Just(Delivery::Refused)];
    prop_oneof![
        1 => Just(Ballot::Silent),
        4 => Just(Ballot::Cast(Vote::granted())),
        4 => prop_oneof![0..3_u64, any::<u64>()]
            .prop_map(|counter| Ballot::Cast(Vote::counted(Fence::new(counter)))),
        2 => Just(Ballot::Cast(Vote::not_held())),
        1 => any::<Option<Duration>>().prop_map(|left| Ballot::Cast(Vote::held_by_another(left))),
        2 => (kinds, deliveries)
            .prop_map(|(kind, delivery)| Ballot::Failed(Failure { kind, delivery })),
    ]
}

#[derive(Clone, Debug)]
enum Input {
    Answer(usize, Ballot),
    Raised(usize, Ballot),
    TimeOut,
    Extend(Ttl),
    ExtensionAnswer(usize, Ballot),
    ExtensionTimeOut,
    ExtensionLate(usize, Ballot),
    Heal(Vec<usize>),
    Expire(Duration),
    GiveAway,
    End,
}

fn ttls() -> impl Strategy<Value = Ttl> {
    prop_oneof![1_u64..5_000, Just(3_153_600_000_000)]
        .prop_map(|millis| Ttl::new(Duration::from_millis(millis)).expect("within the limits"))
}

/// None, some, and more than there is.
fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (1_u64..5_000_000_000).prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

fn inputs() -> impl Strategy<Value = Input> {
    // Some nodes do not exist.
    let node = 0..70_usize;
    prop_oneof![
        8 => (0..6_usize, ballots()).prop_map(|(node, ballot)| Input::Answer(node, ballot)),
        4 => (node.clone(), ballots()).prop_map(|(node, ballot)| Input::Raised(node, ballot)),
        8 => (0..6_usize, ballots()).prop_map(|(node, ballot)| Input::ExtensionAnswer(node, ballot)),
        1 => (node, ballots()).prop_map(|(node, ballot)| Input::ExtensionLate(node, ballot)),
        2 => ttls().prop_map(Input::Extend),
        1 => Just(Input::TimeOut),
        1 => Just(Input::ExtensionTimeOut),
        2 => prop::collection::vec(0..6_usize, 0..6).prop_map(Input::Heal),
        1 => durations().prop_map(Input::Expire),
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
        fenced: bool,
        ttl in ttls(),
        grace in durations(),
        max_hold in durations(),
        start in prop_oneof![Just(0_u64), 0..u64::MAX, Just(u64::MAX)],
        steps in prop::collection::vec((inputs(), 0_u64..2_000_000_000), 0..60),
    ) {
        let quorum = Quorum::of(nodes).expect("between one and five");
        let mut now = Moment::at(Duration::from_nanos(start));
        let timing = Timing::new(Drift::default()).grace(grace).max_hold(max_hold);
        let limit = now.after(max_hold);
        let mut attempt = Attempt::start(quorum, ttl, timing, now);
        if fenced {
            attempt = attempt.fenced();
        }
        let mut verdict = None;
        let mut held: Option<Tenure> = None;
        let mut extension: Option<Extension> = None;
        let (mut ended, mut extended_by) = (false, ttl);
        for (input, later) in steps {
            now = now.after(Duration::from_nanos(later));
            match (&mut held, input) {
                (None, input @ (Input::Answer(..) | Input::Raised(..) | Input::TimeOut)) => {
                    let progress = match input {
                        Input::Answer(node, ballot) => attempt.answered(node, ballot, now),
                        Input::Raised(node, ballot) => attempt.raised(node, ballot, now),
                        _ => {
                            let progress = attempt.timed_out(now);
                            let decided = matches!(progress, Progress::Granted(_) | Progress::Failed(_));
                            prop_assert!(decided, "{progress:?}");
                            progress
                        }
                    };
                    match progress {
                        Progress::Granted(tenure) => {
                            // The longest hold may be over by then: a driver refuses such settings.
                            let bounded = tenure.until() >= limit;
                            prop_assert!(tenure.is_valid(now) || bounded, "granted without validity");
                            prop_assert!(tenure.held().len() >= quorum.needed());
                            prop_assert_eq!(tenure.fence().is_some(), fenced);
                            prop_assert_eq!(verdict, None, "a verdict never changes");
                            held = Some(tenure);
                        }
                        Progress::Failed(failed) => {
                            prop_assert_eq!(failed, *verdict.get_or_insert(failed));
                        }
                        Progress::Raise(nodes, _) => {
                            prop_assert!(fenced && !nodes.is_empty());
                            prop_assert_eq!(verdict, None, "a verdict never changes");
                        }
                        Progress::Open => prop_assert_eq!(verdict, None, "a verdict never changes"),
                    }
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
                    Ok(begun) => (extension, extended_by) = (Some(begun), ttl),
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
                (Some(tenure), Input::Heal(nodes)) => {
                    let (held, until) = (tenure.held(), tenure.until());
                    let gone: NodeSet = nodes.into_iter().collect();
                    if let Some(extension) = &extension
                        && let Some(healing) = tenure.heal(extension, gone, now)
                    {
                        prop_assert!(tenure.is_valid(now), "healed without being held");
                        prop_assert!(healing.lifetime <= timing.lifetime(extended_by));
                        prop_assert!(healing.nodes.without(gone).is_empty());
                        prop_assert!(healing.nodes.without(tenure.outstanding()).is_empty());
                        prop_assert_eq!(tenure.heal(extension, gone, now), None, "asked twice");
                    }
                    prop_assert_eq!(tenure.held(), held, "healing is no vote");
                    prop_assert_eq!(tenure.until(), until, "healing buys no time");
                }
                (Some(tenure), Input::Expire(lead)) => {
                    let (until, was) = (tenure.until(), tenure.ending());
                    match tenure.expire(now, lead) {
                        Some(_) => {
                            ended = true;
                            prop_assert!(was.is_none() && now.after(lead) >= until);
                            prop_assert!(matches!(tenure.ending(), Some(Ending::Lost(_))));
                        }
                        None => prop_assert!(was.is_some() || now.after(lead) < until),
                    }
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
                (Some(_), Input::Raised(..) | Input::TimeOut) => {}
            }
            if let Some(tenure) = &held {
                lawful(tenure, now, ended);
                prop_assert!(tenure.until() <= limit, "held for longer than it may be");
            }
        }
    }

    #[test]
    fn a_renewal_comes_in_time_or_not_at_all(
        ttl in ttls(),
        every in prop_oneof![
            Just(Renewal::default()),
            Just(Renewal::off()),
            durations().prop_map(Renewal::every),
        ],
        (factor, constant, grace) in (0.0..1.0_f64, durations(), durations()),
        node_timeout in durations(),
        now in prop_oneof![Just(0_u64), any::<u64>(), Just(u64::MAX)],
        chance in prop_oneof![Just(0), any::<u32>(), Just(u32::MAX)],
    ) {
        let timing = Timing::new(Drift::new(factor, constant).expect("in range")).grace(grace);
        // Where the clock is about to end there is no later moment.
        let has_a_future = now < u64::MAX / 2;
        let now = Moment::at(Duration::from_nanos(now));
        let validity = timing.validity(ttl);
        prop_assert!(timing.kept(ttl) >= timing.lifetime(ttl).get());
        prop_assert!(timing.lifetime(ttl) >= ttl && validity <= ttl.get());
        let Ok(Some(schedule)) = every.schedule(ttl, timing, node_timeout) else {
            prop_assert_ne!(every, Renewal::default(), "that always has one");
            return Ok(());
        };
        let (next, again) = (schedule.next(now, chance), schedule.again(now, chance));
        prop_assert!(!has_a_future || next >= now && again >= now);
        prop_assert!(again <= now.after(Duration::from_secs(1)));
        // A driver refuses a node timeout that is not within the validity.
        if has_a_future && node_timeout < validity {
            let late = next.after(node_timeout);
            prop_assert!(late <= now.after(validity), "too late for nodes to answer");
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
