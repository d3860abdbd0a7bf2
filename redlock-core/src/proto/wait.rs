use std::time::Duration;

use super::{
    Ballot, Fingerprint, Moment, NodeSet, Notice, Quorum, Refusal, Tally, Vote,
    mutant::{self, Mutant},
};

/// The wait between two attempts at a lock: when to look at the nodes again.
///
/// It starts from the ballots of an attempt that failed, and ends at [`due`](Self::due). Notices
/// of releases bring that nearer, and nothing puts it off: a notice that is lost, late or sent
/// twice changes only how soon the next attempt is made (SAFETY §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    quorum: Quorum,
    /// Who is waited for, if that is known.
    holder: Option<Fingerprint>,
    /// Who was waited for before: notices of his release that are still on their way are old news.
    past: Option<Fingerprint>,
    /// Whose release a notice has told of, if one has.
    released: Option<Fingerprint>,
    /// The nodes that could be had, as far as ballots and notices tell.
    free: NodeSet,
    round_trip: Duration,
    in_vain: u32,
    random: u32,
    due: Moment,
}

/// What a [`Wait`] goes by besides the ballots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outlook {
    /// When the attempt was decided.
    pub now: Moment,
    /// When to look in any case.
    pub poll: Moment,
    /// Whether so many nodes would tell of a release that one of them at least has the lock.
    pub hears: bool,
    /// When it is too late for another attempt.
    pub latest: Moment,
    /// How long nodes take to answer.
    pub round_trip: Duration,
    /// How many attempts in a row have split the votes, this one included.
    pub splits: u32,
    /// How many times in a row the asker was told of a release and came too late.
    pub in_vain: u32,
    /// Whose release was told of before.
    pub past: Option<Fingerprint>,
    /// Decides where in a random pause the next attempt falls.
    pub random: u32,
}

/// What stands between an asker and the lock, as far as the ballots of his attempt tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// A quorum of nodes names the same holder: he will tell when he gives it up, or his time ends.
    Held(Fingerprint),
    /// Enough nodes refused to keep the asker out, and not all of them say for whom.
    Refused,
    /// Nobody has a quorum: contenders have split the votes between them (requirement R51).
    Split,
    /// Too few nodes answered.
    Outage,
}

impl Obstacle {
    /// What these ballots come to.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        let quorum = tally.quorum();
        let (mut holders, mut nameless) = (Vec::new(), 0_usize);
        for ballot in tally.ballots() {
            if let Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { holder, .. })) = ballot {
                match holder {
                    Some(holder) => holders.push(*holder),
                    None => nameless = nameless.saturating_add(1),
                }
            }
        }
        let votes = |of: &Fingerprint| holders.iter().filter(|holder| *holder == of).count();
        if let Some(holder) = holders.iter().find(|holder| votes(holder) >= quorum.needed()) {
            return Self::Held(*holder);
        }
        if nameless > 0 {
            return Self::Refused;
        }
        // The others have granted, or said that nobody has it.
        if tally.failed().len() < quorum.blocking() { Self::Split } else { Self::Outage }
    }

    /// Whether the nodes that have not answered could name a holder whom the others do not.
    ///
    /// An attempt may have failed before that: of an even number of nodes half can refuse it, and half
    /// is no quorum.
    #[must_use]
    pub fn is_open(tally: &Tally) -> bool {
        let silent = tally.silent().len();
        if silent == 0 || Self::of(tally) != Self::Split {
            return false;
        }
        let named = tally.ballots().iter().filter_map(holder);
        let votes = |of| tally.ballots().iter().filter(|other| holder(other) == Some(of)).count();
        named.map(votes).any(|votes| votes.saturating_add(silent) >= tally.quorum().needed())
    }
}

/// Whose key a node has told of.
fn holder(ballot: &Ballot) -> Option<Fingerprint> {
    match ballot {
        Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { holder, .. })) => *holder,
        _ => None,
    }
}

impl Wait {
    /// The wait after an attempt with these ballots.
    #[must_use]
    pub fn after(tally: &Tally, outlook: Outlook) -> Self {
        let Outlook { now, poll, hears, latest, round_trip, splits, in_vain, past, random } =
            outlook;
        let obstacle = Obstacle::of(tally);
        let expiry = tally.quorum_free_in().map(|left| now.after(left).after(MILLISECOND));
        let due = match obstacle {
            // Whoever hears of the release need not ask until then, nor for ever (R49).
            Obstacle::Held(_) if hears => expiry.unwrap_or(poll).min(now.after(LONGEST)),
            Obstacle::Held(_) | Obstacle::Refused => expiry.map_or(poll, |expiry| expiry.min(poll)),
            Obstacle::Split => now.after(backoff(round_trip, splits, random)).min(poll),
            Obstacle::Outage => poll,
        };
        let due = if mutant::is(Mutant::NoTimer) && hears { latest } else { due.min(latest) };
        Self {
            quorum: tally.quorum(),
            holder: match obstacle {
                Obstacle::Held(holder) => Some(holder),
                _ => None,
            },
            past,
            released: None,
            free: tally.granted().union(tally.gone()),
            round_trip,
            in_vain,
            random,
            due,
        }
    }

    /// A notice has come from this node: that the resource was given up there.
    ///
    /// When a quorum could be free, the wait is over, after a random time that grows with the
    /// number of those who wait, and is shorter for who came too late before. The first notice
    /// alone comes too early, since the other nodes are being released at that time; it ends the
    /// wait a round trip later, for the others may be lost.
    pub fn heard(&mut self, node: usize, notice: Notice, now: Moment) {
        let Notice { holder, listeners } = notice;
        if holder.is_some() && holder == self.past && holder != self.holder {
            return;
        }
        if holder.is_some() && self.holder.is_some() && holder != self.holder {
            // The lock has gone from hand to hand since the ballots were cast.
            self.holder = holder;
            self.free = NodeSet::EMPTY;
        }
        self.released = holder.or(self.holder);
        self.free.insert(node);
        let others = listeners.clamp(1, MOST_LISTENERS).saturating_sub(1);
        // Whoever came too late before comes sooner now.
        let most = self.round_trip.max(SHORTEST_STEP).saturating_mul(others);
        let most = most.checked_div(self.in_vain.saturating_add(1)).unwrap_or(most);
        let spread = part(most, self.random);
        let complete = self.free.len() >= self.quorum.needed();
        let settle = if complete { Duration::ZERO } else { self.round_trip };
        self.due = self.due.min(now.after(settle).after(spread));
    }

    /// Something may have been missed, so the wait is over (requirement R48).
    pub fn missed(&mut self, now: Moment) {
        if !mutant::is(Mutant::MissedIgnored) {
            self.due = self.due.min(now);
        }
    }

    /// Notices do not come any more, so the next attempt is made by `poll`.
    pub fn look_by(&mut self, poll: Moment) {
        self.due = self.due.min(poll);
    }

    /// Whether a release was told of.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.released.is_some()
    }

    /// When to make the next attempt.
    #[must_use]
    pub const fn due(&self) -> Moment {
        self.due
    }

    /// Whose release was told of, now or before.
    #[must_use]
    pub fn past(&self) -> Option<Fingerprint> {
        self.released.or(self.past)
    }
}

/// A random pause after votes were split, twice as long each time, so that of those who got in each
/// other's way one comes first.
fn backoff(round_trip: Duration, splits: u32, random: u32) -> Duration {
    let doublings = splits.saturating_sub(1).min(16);
    let most = round_trip.saturating_mul(4).saturating_mul(1 << doublings);
    part(most.clamp(SHORTEST_BACKOFF, LONGEST_BACKOFF), random)
}

/// The part of a time that these random bits stand for.
fn part(whole: Duration, random: u32) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = u128::from(nanos).saturating_mul(random.into()) / MOST_RANDOM;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Servers count in whole milliseconds, so what is left of a key's time may be one more.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Notices may be lost without anybody noticing, so a waiter looks this often whatever he is told.
const LONGEST: Duration = Duration::from_secs(5);

/// What each of those who are told at the same time adds to the random time that all wait. Runtimes
/// count whole milliseconds: with less, several would come in the same one, and it would be the
/// schedulers of machines that choose, and always the same.
const SHORTEST_STEP: Duration = MILLISECOND;

const SHORTEST_BACKOFF: Duration = Duration::from_micros(500);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
const MOST_LISTENERS: u32 = 100;
const MOST_RANDOM: u128 = u32::MAX as u128;

#[cfg(test)]
mod tests {
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
}
