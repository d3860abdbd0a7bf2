use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const A: Fingerprint = Fingerprint::new(1);
const B: Fingerprint = Fingerprint::new(2);
const YES: Ballot = Ballot::Cast(Vote::granted());

fn held(by: Fingerprint, millis: u32) -> Ballot {
    Ballot::Cast(Vote::held_by(by, Some(MS * millis)))
}

fn tally(ballots: &[Ballot]) -> Tally {
    let mut tally = Tally::new(Quorum::of(ballots.len()).unwrap());
    for (node, ballot) in ballots.iter().enumerate() {
        tally.enter(node, *ballot);
    }
    tally
}

fn at(millis: u32) -> Moment {
    Moment::ORIGIN.after(MS * 1000).after(MS * millis)
}

/// Nodes answer in a millisecond, and nothing is random.
fn outlook() -> Outlook {
    Outlook {
        now: at(0),
        poll: at(400),
        hears: true,
        latest: at(9000),
        round_trip: MS,
        splits: 0,
        in_vain: 0,
        past: None,
        random: 0,
    }
}

fn notice(holder: Fingerprint, listeners: u32) -> Notice {
    Notice { holder: Some(holder), listeners }
}

#[test]
fn a_holder_has_a_quorum_and_everything_else_is_something_else() {
    let nameless = Ballot::Cast(Vote::held_by_another(None));
    let table = [
        (vec![held(A, 9), held(A, 9), YES], Obstacle::Held(A)),
        (vec![held(A, 9), held(A, 9), Ballot::Silent], Obstacle::Held(A)),
        (vec![held(A, 9), held(B, 9), YES], Obstacle::Split),
        (vec![held(A, 9), held(B, 9), Ballot::Silent], Obstacle::Split),
        (vec![held(A, 9), held(A, 9), YES, YES], Obstacle::Split),
        (vec![held(A, 9), held(A, 9), held(A, 1), YES], Obstacle::Held(A)),
        (vec![held(A, 9), Ballot::TIMED_OUT, YES], Obstacle::Split),
        (vec![held(A, 9), nameless, YES], Obstacle::Refused),
        (vec![held(A, 9), Ballot::TIMED_OUT, Ballot::TIMED_OUT], Obstacle::Outage),
        (vec![Ballot::TIMED_OUT], Obstacle::Outage),
    ];
    for (ballots, obstacle) in table {
        assert_eq!(Obstacle::of(&tally(&ballots)), obstacle, "{ballots:?}");
    }
}

#[test]
fn who_hears_sleeps_until_a_quorum_could_be_free_and_who_does_not_looks_by_the_policy() {
    let ballots = tally(&[held(A, 900), held(A, 700), held(A, 800)]);
    assert_eq!(Wait::after(&ballots, outlook()).due(), at(801));
    let deaf = Outlook { hears: false, ..outlook() };
    assert_eq!(Wait::after(&ballots, deaf).due(), at(400));
    let soon = tally(&[held(A, 20), held(A, 30), YES]);
    assert_eq!(Wait::after(&soon, deaf).due(), at(21), "sooner than the policy says");
    let late = Outlook { latest: at(500), ..outlook() };
    assert_eq!(Wait::after(&ballots, late).due(), at(500));
    let hour = 3_600_000;
    let long = tally(&[held(A, hour), held(A, hour), held(A, hour)]);
    assert_eq!(Wait::after(&long, outlook()).due(), at(5000), "never for ever");
    let endless = Ballot::Cast(Vote::held_by(A, None));
    assert_eq!(Wait::after(&tally(&[endless; 3]), outlook()).due(), at(400));
}

#[test]
fn notices_of_a_quorum_end_the_wait_and_the_first_alone_a_round_trip_later() {
    let ballots = tally(&[held(A, 900); 5]);
    let mut wait = Wait::after(&ballots, outlook());
    wait.heard(4, notice(A, 1), at(10));
    assert_eq!(wait.due(), at(11));
    wait.heard(4, notice(A, 1), at(10));
    assert_eq!(wait.due(), at(11), "the same node twice is one node");
    wait.heard(0, notice(A, 1), at(10));
    assert_eq!(wait.due(), at(11));
    wait.heard(1, notice(A, 1), at(10));
    assert_eq!(wait.due(), at(10));
    assert_eq!(wait.past(), Some(A));
    let mut alone = Wait::after(&tally(&[held(A, 900)]), outlook());
    alone.heard(0, notice(A, 1), at(10));
    assert_eq!(alone.due(), at(10));
}

#[test]
fn nodes_that_were_free_already_need_not_tell() {
    let ballots = tally(&[held(A, 900), held(A, 900), held(A, 900), YES, YES]);
    let mut wait = Wait::after(&ballots, outlook());
    wait.heard(0, notice(A, 1), at(10));
    assert_eq!(wait.due(), at(10));
}

#[test]
fn many_who_are_told_spread_out() {
    let ballots = tally(&[held(A, 900); 3]);
    let wait = |random| {
        let mut wait = Wait::after(&ballots, Outlook { random, ..outlook() });
        wait.heard(0, notice(A, 8), at(10));
        wait.heard(1, notice(A, 8), at(10));
        wait.due()
    };
    assert_eq!((wait(0), wait(u32::MAX)), (at(10), at(17)));
    let quick = Outlook { random: u32::MAX, round_trip: MS / 20, ..outlook() };
    let mut near = Wait::after(&ballots, quick);
    near.heard(0, notice(A, 8), at(10));
    near.heard(1, notice(A, 8), at(10));
    assert_eq!(near.due(), at(17), "timers count no less than milliseconds");
    let mut crowd = Wait::after(&ballots, Outlook { random: u32::MAX, ..outlook() });
    crowd.heard(0, notice(A, u32::MAX), at(10));
    assert_eq!(crowd.due(), at(110), "a number that cannot be is cut short");
}

#[test]
fn whoever_came_too_late_comes_sooner() {
    let ballots = tally(&[held(A, 900)]);
    let due = |in_vain| {
        let outlook = Outlook { random: u32::MAX, in_vain, ..outlook() };
        let mut wait = Wait::after(&ballots, outlook);
        wait.heard(0, notice(A, 9), at(10));
        wait.due()
    };
    assert_eq!([due(0), due(1), due(3)], [at(18), at(14), at(12)]);
    assert_eq!(due(u32::MAX), at(10));
}

#[test]
fn old_news_is_no_news_and_a_new_name_is() {
    let ballots = tally(&[held(A, 900); 3]);
    let mut wait = Wait::after(&ballots, Outlook { past: Some(B), ..outlook() });
    wait.heard(0, notice(B, 1), at(10));
    assert_eq!((wait.due(), wait.past()), (at(901), Some(B)));
    wait.heard(0, notice(A, 1), at(10));
    wait.heard(1, notice(B, 1), at(10));
    assert_eq!(wait.due(), at(11), "the other holder's release completes nothing");

    let mut wait = Wait::after(&ballots, outlook());
    wait.heard(0, notice(A, 1), at(10));
    wait.heard(0, notice(B, 1), at(10));
    wait.heard(1, notice(B, 1), at(10));
    assert_eq!((wait.due(), wait.past()), (at(10), Some(B)), "it went from hand to hand");

    let mut again = Wait::after(&ballots, Outlook { past: Some(A), ..outlook() });
    again.heard(0, notice(A, 1), at(10));
    assert_eq!(again.due(), at(11), "who holds it is never old news");
    let mut unnamed = Wait::after(&ballots, outlook());
    unnamed.heard(0, Notice { holder: None, listeners: 1 }, at(10));
    assert_eq!(unnamed.due(), at(11));
}

#[test]
fn what_may_have_been_missed_ends_the_wait() {
    let mut wait = Wait::after(&tally(&[held(A, 900); 3]), outlook());
    wait.look_by(at(400));
    assert_eq!(wait.due(), at(400));
    wait.missed(at(5));
    assert_eq!(wait.due(), at(5));
    wait.missed(at(6));
    assert_eq!(wait.due(), at(5));
}

#[test]
fn half_of_the_nodes_leave_open_who_has_it_until_the_others_could_not_change_that() {
    let open = |ballots: &[Ballot]| Obstacle::is_open(&tally(ballots));
    let (a, b) = (held(A, 900), held(B, 900));
    assert!(open(&[a, Ballot::Silent]));
    assert!(!open(&[a, a]) && !open(&[a, b]) && !open(&[a, YES]));
    assert!(open(&[a, a, Ballot::Silent, YES]));
    assert!(!open(&[a, b, Ballot::Silent, YES]), "neither can have a quorum");
    assert!(open(&[a, b, Ballot::Silent]));
    assert!(!open(&[a, a, Ballot::Silent]), "a quorum has named him");
    assert!(!open(&[YES, Ballot::Silent]), "nobody has been named");
}

#[test]
fn split_votes_are_retried_soon_and_at_random() {
    let ballots = tally(&[held(A, 900), held(B, 900), YES]);
    let due = |splits, random| {
        Wait::after(&ballots, Outlook { splits, random, poll: at(10_000), ..outlook() }).due()
    };
    assert_eq!(due(1, u32::MAX), at(4));
    assert_eq!(due(2, u32::MAX), at(8));
    assert_eq!(due(5, 0), at(0));
    assert_eq!(due(u32::MAX, u32::MAX), at(500));
    assert_eq!(
        Wait::after(&ballots, Outlook { splits: 20, random: u32::MAX, ..outlook() }).due(),
        at(400)
    );
}

proptest! {
    /// R49: whatever is heard, and however often, the wait ends by what the ballots said.
    #[test]
    fn nothing_puts_the_end_off(
        left in proptest::collection::vec(0_u32..10_000, 1..=5),
        hears: bool,
        random: u32,
        heard in proptest::collection::vec((0_usize..6, 0_u64..3, 0_u32..5, 0_u32..10_000), 0..20),
    ) {
        let ballots: Vec<_> = left.iter().map(|left| held(A, *left)).collect();
        let mut wait = Wait::after(&tally(&ballots), Outlook { hears, random, ..outlook() });
        let mut sorted = left.clone();
        sorted.sort_unstable();
        let free = at(sorted[left.len() / 2] + 1);
        let poll = if hears { at(5000) } else { at(400) };
        prop_assert_eq!(wait.due(), free.min(poll));
        for (node, holder, listeners, now) in heard {
            let before = wait.due();
            let holder = (holder > 0).then(|| Fingerprint::new(holder));
            wait.heard(node, Notice { holder, listeners }, at(now));
            prop_assert!(wait.due() <= before);
        }
    }
}
