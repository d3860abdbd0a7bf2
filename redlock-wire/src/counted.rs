//! Votes that tell more: what the scripts that count answer, and what it means.

use std::{sync::Arc, time::Duration};

use redlock_core::{Delivery, FailureKind, Fence, Fingerprint, NodeError, Resource, Vote};

use crate::{Item, Reply, ask, companion};

/// What a script that looks at the clock has answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) what: What,
    /// What the server's clock showed, in microseconds since 1970.
    pub(crate) micros: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    Vote(Vote),
    /// The request came too late, and nothing was done.
    Stale,
    /// Nothing is granted for so long.
    Quarantined {
        remaining: Duration,
        /// There is a key of this token from before.
        held: bool,
    },
}

/// Reads an answer; `None` if it is none that these scripts give.
pub(crate) fn told(reply: &Reply) -> Option<Told> {
    let Reply::List(items) = reply else { return None };
    let (word, micros, count, rest) = match items.as_slice() {
        [Item::Value(word), Item::Int(micros), Item::Int(count), rest @ ..] => {
            (word.as_slice(), *micros, *count, rest)
        }
        _ => return None,
    };
    let what = match (word, rest) {
        (b"GRANTED", []) => What::Vote(counted(Vote::granted(), count)),
        (b"HELD", [Item::Int(left), Item::Value(holder)]) => {
            let vote = Vote::held_by(Fingerprint::of(holder), ask::remaining(*left));
            What::Vote(counted(vote, count))
        }
        (b"STALE", []) => What::Stale,
        (b"QUARANTINED", [Item::Int(left)]) => {
            let remaining = Duration::from_millis(u64::try_from(*left).unwrap_or(0));
            What::Quarantined { remaining, held: count == 1 }
        }
        _ => return None,
    };
    Some(Told { what, micros: u64::try_from(micros).ok()? })
}

/// The clock of a server, from what it answers to `TIME`: microseconds since 1970.
pub(crate) fn time(reply: &Reply) -> Option<u64> {
    let Reply::List(items) = reply else { return None };
    let [Item::Value(seconds), Item::Value(micros)] = items.as_slice() else { return None };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    number(seconds)?.checked_mul(1_000_000)?.checked_add(number(micros)?)
}

/// A negative count is none.
fn counted(vote: Vote, count: i64) -> Vote {
    u64::try_from(count).map_or(vote, |count| vote.with_counter(Fence::new(count)))
}

/// The key of the counter of a resource.
pub(crate) fn counter(resource: &Resource) -> Resource {
    Resource::new(companion("redlocks:fence", resource)).expect("a kind makes it not empty")
}

/// The request reached the server after the time that was given to it.
pub(crate) fn stale(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::TimedOut)
        .with_delivery(Delivery::Refused)
        .with_source(Stale)
}

#[derive(Debug, thiserror::Error)]
#[error("the request reached the server too late, by the server's clock, and was not carried out")]
struct Stale;

/// There is no key, and there may be one yet.
pub(crate) fn unsettled(label: &Arc<str>, for_at_most: Duration) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Other).with_source(Unsettled(for_at_most))
}

#[derive(Debug, thiserror::Error)]
#[error("an earlier acquire has not been answered, and may be carried out for another {0:?}")]
struct Unsettled(Duration);

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: Duration = Duration::from_millis(7);

    fn list(word: &str, numbers: &[i64]) -> Vec<Item> {
        let mut items = vec![Item::Value(word.into())];
        items.extend(numbers.iter().copied().map(Item::Int));
        items
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let mut held = list("HELD", &[5, 9, 250]);
        held.push(Item::Value(b"x".to_vec()));
        let holder = Vote::held_by(Fingerprint::of(b"x"), Some(Duration::from_millis(250)));
        let largest = i64::from(Fence::MAX);
        for (items, what) in [
            (list("GRANTED", &[5, 9]), What::Vote(Vote::counted(Fence::new(9)))),
            (list("GRANTED", &[5, largest]), What::Vote(Vote::counted(Fence::MAX))),
            (list("GRANTED", &[5, -1]), What::Vote(Vote::granted())),
            (held.clone(), What::Vote(holder.with_counter(Fence::new(9)))),
            (list("STALE", &[5, -1]), What::Stale),
            (list("QUARANTINED", &[5, 0, 7]), What::Quarantined { remaining: SEVEN, held: false }),
            (list("QUARANTINED", &[5, 1, 7]), What::Quarantined { remaining: SEVEN, held: true }),
        ] {
            assert_eq!(told(&Reply::List(items)), Some(Told { what, micros: 5 }));
        }
        held.pop();
        for odd in [
            Reply::Okay,
            Reply::List(vec![]),
            Reply::List(held),
            Reply::List(list("GRANTED", &[5])),
            Reply::List(list("GRANTED", &[-5, 1])),
            Reply::List(list("GRANTED", &[5, 1, 1])),
            Reply::List(list("granted", &[5, 1])),
        ] {
            assert_eq!(told(&odd), None, "{odd:?}");
        }
    }

    #[test]
    fn the_time_is_two_numbers_in_digits() {
        let answer = |parts: &[&str]| {
            Reply::List(parts.iter().map(|part| Item::Value(part.as_bytes().to_vec())).collect())
        };
        assert_eq!(time(&answer(&["1795251542", "953002"])), Some(1_795_251_542_953_002));
        for odd in [answer(&["1"]), answer(&["x", "1"]), answer(&["99999999999999999999", "1"])] {
            assert_eq!(time(&odd), None);
        }
        assert_eq!(time(&Reply::Value(b"1".to_vec(), 1)), None);
    }

    #[test]
    fn a_counter_is_beside_its_resource() {
        let name = |name| counter(&Resource::new(name).unwrap()).to_string();
        assert_eq!(name("orders"), "redlocks:fence:{orders}");
        assert_eq!(name("{a}b"), "redlocks:fence={a}b");
    }
}
