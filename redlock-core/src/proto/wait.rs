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
mod tests;
