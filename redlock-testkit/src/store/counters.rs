//! The counters of one node, which outlive its keys.

use std::{collections::BTreeMap, time::Duration};

use redlock_core::{Fence, Resource};

use crate::clock::ServerTime;

/// How many times each resource has been taken: a number beside the key that never falls.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counters: BTreeMap<Resource, Counter>,
    /// For how long one is kept that nobody asks for; for ever, if that is not said.
    retention: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    value: Fence,
    /// When it was last asked for, in milliseconds.
    used: u64,
}

impl Counters {
    pub(super) fn retain_for(&mut self, retention: Option<Duration>) {
        self.retention = retention;
    }

    pub(super) fn forget(&mut self, resource: &Resource) {
        self.counters.remove(resource);
    }

    pub(super) fn clear(&mut self) {
        self.counters.clear();
    }

    /// What it shows, if it is there. One is always there while its key is.
    pub(super) fn read(
        &self,
        resource: &Resource,
        has_key: bool,
        now: ServerTime,
    ) -> Option<Fence> {
        let counter = self.counters.get(resource)?;
        let kept =
            has_key || self.retention.is_none_or(|retention| counter.is_young(retention, now));
        kept.then_some(counter.value)
    }

    /// [`read`](Self::read), for somebody who has asked: from now on it is kept for another while.
    pub(super) fn tell(
        &mut self,
        resource: &Resource,
        has_key: bool,
        now: ServerTime,
    ) -> Option<Fence> {
        let value = self.read(resource, has_key, now)?;
        Some(self.set(resource, value, now))
    }

    /// Counts one more holder, beginning from `hint` at least. `None` if there are no larger
    /// numbers: then nothing is changed.
    pub(super) fn count(
        &mut self,
        resource: &Resource,
        hint: Fence,
        now: ServerTime,
    ) -> Option<Fence> {
        let last = self.or_seed(resource, false, now);
        let last = if is_plausible(hint, now) { last.max(hint) } else { last };
        let next = Fence::new(last.get() + 1);
        (next > last).then(|| self.set(resource, next, now))
    }

    /// Makes it at least `fence`, for the holder of the key.
    pub(super) fn raise(&mut self, resource: &Resource, fence: Fence, now: ServerTime) -> Fence {
        let value = self.or_seed(resource, true, now).max(fence);
        self.set(resource, value, now)
    }

    /// What it shows, or where one begins that is not there.
    fn or_seed(&self, resource: &Resource, has_key: bool, now: ServerTime) -> Fence {
        self.read(resource, has_key, now).unwrap_or_else(|| Fence::new(now.micros()))
    }

    fn set(&mut self, resource: &Resource, value: Fence, now: ServerTime) -> Fence {
        self.counters.insert(resource.clone(), Counter { value, used: now.millis() });
        value
    }
}

impl Counter {
    fn is_young(self, retention: Duration, now: ServerTime) -> bool {
        let unused = Duration::from_millis(now.millis().saturating_sub(self.used));
        unused <= retention
    }
}

/// Whether it can have come from a counter of a node whose clock shows about the same.
fn is_plausible(hint: Fence, now: ServerTime) -> bool {
    hint.get() <= now.micros().saturating_add(DAY)
}

/// In microseconds.
const DAY: u64 = 24 * 3600 * 1_000_000;

#[cfg(test)]
mod tests {
    use redlock_core::{Refusal, Token, Ttl, Vote};

    use super::super::{Store, UsedUp};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: u64 = 3600 * 1_000_000;

    fn resource() -> Resource {
        Resource::new("r").unwrap()
    }

    fn token(name: &str) -> Token {
        Token::from_bytes(name.as_bytes()).unwrap()
    }

    /// So many microseconds after a moment of 2001 or so.
    fn at(micros: u64) -> ServerTime {
        ServerTime::from_nanos((START + micros) * 1000)
    }

    fn count(store: &mut Store, name: &str, hint: u64, now: u64) -> Result<Option<u64>, UsedUp> {
        let ttl = Ttl::new(SECOND).unwrap();
        let hint = Fence::new(hint);
        let vote = store.acquire_counted(&resource(), &token(name), ttl, hint, at(now))?;
        Ok(match vote {
            Vote::Granted { counter, .. } => counter,
            Vote::Refused(Refusal::HeldByAnother { counter, .. }) => counter,
            other => panic!("{other:?}"),
        }
        .map(Fence::get))
    }

    fn release(store: &mut Store, name: &str, now: u64) {
        assert_eq!(store.release(&resource(), &token(name), at(now)), Vote::granted());
    }

    #[test]
    fn a_counter_begins_at_the_clock_and_grows_with_each_key_that_is_set() {
        let mut store = Store::default();
        assert_eq!(count(&mut store, "a", 0, 5), Ok(Some(START + 6)));
        assert_eq!(count(&mut store, "a", 0, 7), Ok(Some(START + 6)), "it was there");
        assert_eq!(count(&mut store, "b", 0, 8), Ok(Some(START + 6)), "a refusal tells it too");
        release(&mut store, "a", 9);
        assert_eq!(count(&mut store, "b", 0, 10), Ok(Some(START + 7)));
        assert_eq!(count(&mut store, "c", 0, 2_000_000), Ok(Some(START + 8)), "b has expired");
    }

    #[test]
    fn a_hint_lifts_the_counter_unless_it_is_absurd() {
        let mut store = Store::default();
        assert_eq!(count(&mut store, "a", START + 100, 0), Ok(Some(START + 101)));
        release(&mut store, "a", 0);
        assert_eq!(count(&mut store, "a", START + 50, 0), Ok(Some(START + 102)));
        release(&mut store, "a", 0);
        assert_eq!(count(&mut store, "a", START + DAY + 1, 0), Ok(Some(START + 103)));
        release(&mut store, "a", 0);
        assert_eq!(count(&mut store, "a", START + DAY, 0), Ok(Some(START + DAY + 1)));
    }

    #[test]
    fn only_the_holder_raises_and_never_lowers() {
        let mut store = Store::default();
        count(&mut store, "a", 0, 0).unwrap();
        let mut raise =
            |name: &str, to| store.raise(&resource(), &token(name), Fence::new(to), at(0));
        let shows = |number| Vote::counted(Fence::new(number));
        assert_eq!(raise("a", START + 7), shows(START + 7));
        assert_eq!(raise("a", START + 3), shows(START + 7));
        assert!(matches!(raise("b", START + 9), Vote::Refused(Refusal::HeldByAnother { .. })));
        assert_eq!(raise("a", 0), shows(START + 7), "the refused one changed nothing");
        release(&mut store, "a", 0);
        assert_eq!(
            store.raise(&resource(), &token("a"), Fence::new(START + 9), at(0)),
            Vote::not_held()
        );
    }

    #[test]
    fn a_counter_lives_on_for_its_retention_since_it_was_last_asked_for() {
        let mut store = Store::default();
        store.retain_counters_for(Some(Duration::from_secs(3600)));
        count(&mut store, "a", START + DAY, 0).unwrap();
        release(&mut store, "a", 0);
        assert_eq!(count(&mut store, "a", 0, HOUR), Ok(Some(START + DAY + 2)));
        release(&mut store, "a", HOUR);
        assert_eq!(store.counter(&resource(), at(2 * HOUR)), Some(Fence::new(START + DAY + 2)));
        assert_eq!(store.counter(&resource(), at(2 * HOUR + 1000)), None);
        assert_eq!(count(&mut store, "a", 0, 2 * HOUR + 1000), Ok(Some(START + 2 * HOUR + 1001)));
    }

    #[test]
    fn a_counter_does_not_expire_under_its_key() {
        let mut store = Store::default();
        store.retain_counters_for(Some(Duration::ZERO));
        let first = count(&mut store, "a", 0, 0).unwrap().map(Fence::new);
        assert_eq!(store.counter(&resource(), at(900_000)), first);
    }

    #[test]
    fn a_counter_that_was_lost_under_its_key_is_told_again_when_it_is_raised() {
        let mut store = Store::default();
        count(&mut store, "a", 0, 0).unwrap();
        store.forget_counter(&resource());
        assert_eq!(count(&mut store, "a", 0, 1), Ok(None));
        let vote = store.raise(&resource(), &token("a"), Fence::new(9), at(2));
        assert_eq!(vote, Vote::counted(Fence::new(START + 2)), "it begins at the clock");
    }

    #[test]
    fn when_no_number_is_left_nobody_is_granted() {
        let mut store = Store::default();
        count(&mut store, "a", 0, 0).unwrap();
        store.raise(&resource(), &token("a"), Fence::MAX, at(0));
        release(&mut store, "a", 0);
        assert_eq!(count(&mut store, "b", 0, 0), Err(UsedUp));
        assert_eq!(store.keys(at(0)).count(), 0);
    }

    /// In microseconds.
    const START: u64 = 1_000_000_000_000_000;
}
