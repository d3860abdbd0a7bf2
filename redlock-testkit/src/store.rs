//! The keys and the counters of one node, and what is done to them: pure, `now` is an argument.

mod counters;
mod sets;

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use redlock_core::{Cursor, Fence, Held, Inspection, Page, Resource, Token, Ttl, Vote};

use self::counters::Counters;
use crate::clock::ServerTime;

/// The keys of one node, on a clock of whole milliseconds like that of Redis, and beside them a
/// counter for each resource that somebody wanted counted.
///
/// A key is dead when the clock shows *more* than the moment it was set at plus its ttl. The clock
/// is cut to the millisecond both times, so a key lives at least its ttl, and at most a
/// millisecond longer.
#[derive(Debug, Default)]
pub(crate) struct Store {
    keys: BTreeMap<Resource, Entry>,
    counters: Counters,
    /// What clients agree on, under the names of the agreements.
    terms: BTreeMap<Resource, Arc<str>>,
}

/// There is no number left for another holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp;

#[derive(Clone, Debug)]
struct Entry {
    token: Token,
    /// The last millisecond in which it lives.
    expires: u64,
}

impl Store {
    /// The keys that live at the server time `now`, in the order of their names, each with its
    /// token and the moment from which it is dead.
    pub(crate) fn keys(
        &self,
        now: ServerTime,
    ) -> impl Iterator<Item = (&Resource, &Token, ServerTime)> {
        let now = now.millis();
        let live = self.keys.iter().filter(move |(_, entry)| entry.lives(now));
        live.map(|(resource, entry)| (resource, &entry.token, entry.end()))
    }

    /// When the key of this resource and token is dead, if it is there at all.
    pub(crate) fn end(&self, resource: &Resource, token: &Token) -> Option<ServerTime> {
        let entry = self.keys.get(resource)?;
        (entry.token == *token).then(|| entry.end())
    }

    pub(crate) fn remove(&mut self, resource: &Resource) {
        self.keys.remove(resource);
    }

    /// Keys, counters, and what was agreed on.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.counters.clear();
        self.terms.clear();
    }

    /// Writes these terms down unless there are some; what is there now.
    pub(crate) fn agree(&mut self, name: &Resource, terms: &Arc<str>) -> Arc<str> {
        Arc::clone(self.terms.entry(name.clone()).or_insert_with(|| Arc::clone(terms)))
    }

    pub(crate) fn terms(&self, name: &Resource) -> Option<&Arc<str>> {
        self.terms.get(name)
    }

    pub(crate) fn forget_terms(&mut self, name: &Resource) {
        self.terms.remove(name);
    }

    /// For how long a counter is kept that nobody asks for; for ever, if this is `None`.
    pub(crate) fn retain_counters_for(&mut self, retention: Option<Duration>) {
        self.counters.retain_for(retention);
    }

    pub(crate) fn counter(&self, resource: &Resource, now: ServerTime) -> Option<Fence> {
        self.counters.read(resource, self.has_key(resource, now), now)
    }

    pub(crate) fn forget_counter(&mut self, resource: &Resource) {
        self.counters.forget(resource);
    }

    pub(crate) fn acquire(
        &mut self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        now: ServerTime,
    ) -> Vote {
        let now = now.millis();
        match self.live(resource, now) {
            Some(entry) if entry.token == *token => Vote::granted(),
            Some(entry) => entry.refuse(now),
            None => {
                let expires = now.saturating_add(ttl.as_millis());
                let token = token.clone();
                self.keys.insert(resource.clone(), Entry { token, expires });
                Vote::granted()
            }
        }
    }

    /// [`acquire`](Self::acquire), and counts.
    pub(crate) fn acquire_counted(
        &mut self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
        now: ServerTime,
    ) -> Result<Vote, UsedUp> {
        let counter = if self.has_key(resource, now) {
            self.counters.tell(resource, true, now)
        } else {
            // Before the key is set: without a number there is no grant.
            Some(self.counters.count(resource, hint, now).ok_or(UsedUp)?)
        };
        let vote = self.acquire(resource, token, ttl, now);
        Ok(counter.map_or(vote, |counter| vote.with_counter(counter)))
    }

    /// Makes the counter at least `fence` if this token has the resource.
    pub(crate) fn raise(
        &mut self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
        now: ServerTime,
    ) -> Vote {
        let millis = now.millis();
        match self.live(resource, millis) {
            Some(entry) if entry.token == *token => {
                Vote::counted(self.counters.raise(resource, fence, now))
            }
            Some(entry) => entry.refuse(millis),
            None => Vote::not_held(),
        }
    }

    pub(crate) fn extend(
        &mut self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        now: ServerTime,
    ) -> Vote {
        let now = now.millis();
        match self.live(resource, now) {
            Some(entry) if entry.token == *token => {
                entry.expires = entry.expires.max(now.saturating_add(ttl.as_millis()));
                Vote::granted()
            }
            Some(entry) => entry.refuse(now),
            None => Vote::not_held(),
        }
    }

    pub(crate) fn release(&mut self, resource: &Resource, token: &Token, now: ServerTime) -> Vote {
        let now = now.millis();
        match self.live(resource, now) {
            Some(entry) if entry.token == *token => {
                self.keys.remove(resource);
                Vote::granted()
            }
            Some(entry) => entry.refuse(now),
            None => Vote::not_held(),
        }
    }

    /// Some of the keys that live and begin like this, from where the page before ended.
    pub(crate) fn list(&self, prefix: &str, from: Option<&Cursor>, now: ServerTime) -> Page {
        let now = now.millis();
        let after =
            from.and_then(|cursor| Resource::new(str::from_utf8(cursor.as_bytes()).ok()?).ok());
        let rest = match &after {
            Some(last) => self.keys.range((Bound::Excluded(last), Bound::Unbounded)),
            None => self.keys.range::<Resource, _>(..),
        };
        // Looks at so many keys and no more, those that are not meant included, as a server does.
        let seen: Vec<_> = rest.take(PAGE).collect();
        let next = seen.get(PAGE - 1).map(|(last, _)| Cursor::new(last.as_str().as_bytes()));
        let meant = seen
            .into_iter()
            .filter(|(resource, entry)| resource.as_str().starts_with(prefix) && entry.lives(now));
        let held = meant.map(|(resource, entry)| Held {
            resource: resource.clone(),
            token: entry.token.clone(),
            remaining: Some(entry.remaining(now)),
        });
        Page { held: held.collect(), next }
    }

    /// Deletes the key, whosever it is, and tells whose it was.
    pub(crate) fn reset(&mut self, resource: &Resource, now: ServerTime) -> Option<Token> {
        self.live(resource, now.millis())?;
        self.keys.remove(resource).map(|entry| entry.token)
    }

    pub(crate) fn inspect(&mut self, resource: &Resource, now: ServerTime) -> Inspection {
        let now = now.millis();
        match self.live(resource, now) {
            Some(entry) => Inspection::Held {
                token: entry.token.clone(),
                remaining: Some(entry.remaining(now)),
            },
            None => Inspection::Free,
        }
    }

    fn has_key(&self, resource: &Resource, now: ServerTime) -> bool {
        self.keys.get(resource).is_some_and(|entry| entry.lives(now.millis()))
    }

    fn live(&mut self, resource: &Resource, now: u64) -> Option<&mut Entry> {
        self.keys.get_mut(resource).filter(|entry| entry.lives(now))
    }
}

impl Entry {
    const fn lives(&self, now: u64) -> bool {
        now <= self.expires
    }

    const fn remaining(&self, now: u64) -> Duration {
        Duration::from_millis(self.expires.saturating_sub(now))
    }

    fn end(&self) -> ServerTime {
        ServerTime::from_millis(self.expires.saturating_add(1))
    }

    fn refuse(&self, now: u64) -> Vote {
        Vote::held_by(self.token.fingerprint(), Some(self.remaining(now)))
    }
}

/// How many keys are looked at for one page: few, so that tests meet more than one.
const PAGE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn resource() -> Resource {
        Resource::new("r").unwrap()
    }

    fn token(name: &str) -> Token {
        Token::from_bytes(name.as_bytes()).unwrap()
    }

    fn held_by_a(millis: u64) -> Vote {
        Vote::held_by(token("a").fingerprint(), Some(Duration::from_millis(millis)))
    }

    fn ttl(millis: u64) -> Ttl {
        Ttl::new(Duration::from_millis(millis)).unwrap()
    }

    fn acquire(store: &mut Store, name: &str, millis: u64, nanos: u64) -> Vote {
        store.acquire(&resource(), &token(name), ttl(millis), ServerTime::from_nanos(nanos))
    }

    #[test]
    fn a_key_lives_at_least_its_ttl_and_at_most_a_millisecond_more() {
        for set in [0, 1, MS / 2, MS - 1] {
            let set = 7 * MS + set;
            let mut store = Store::default();
            acquire(&mut store, "a", 10, set);
            let lives = |store: &Store, at| store.keys(ServerTime::from_nanos(at)).count() == 1;
            assert!(lives(&store, set + 10 * MS), "dead before its time");
            assert!(!lives(&store, set + 11 * MS), "alive too long");
            let end = store.end(&resource(), &token("a")).unwrap().nanos();
            assert!(lives(&store, end - 1) && !lives(&store, end));
        }
    }

    #[test]
    fn the_first_grant_decides_when_a_key_ends() {
        let mut store = Store::default();
        acquire(&mut store, "a", 10, 0);
        assert_eq!(acquire(&mut store, "a", 1000, 5 * MS), Vote::granted());
        let end = store.end(&resource(), &token("a")).unwrap();
        assert_eq!(end, ServerTime::from_millis(11));
    }

    #[test]
    fn a_refusal_tells_who_has_it_and_for_how_much_longer() {
        let mut store = Store::default();
        acquire(&mut store, "a", 10, 0);
        assert_eq!(acquire(&mut store, "b", 10, 4 * MS), held_by_a(6));
        assert_eq!(acquire(&mut store, "b", 10, 11 * MS), Vote::granted());
    }

    #[test]
    fn extending_never_shortens_and_never_creates() {
        let mut store = Store::default();
        acquire(&mut store, "a", 100, 0);
        let mut extend = |name: &str, millis, at| {
            let now = ServerTime::from_millis(at);
            let vote = store.extend(&resource(), &token(name), ttl(millis), now);
            (vote, store.end(&resource(), &token("a")))
        };
        let end = |millis| Some(ServerTime::from_millis(millis));
        assert_eq!(extend("a", 10, 50), (Vote::granted(), end(101)));
        assert_eq!(extend("a", 60, 50), (Vote::granted(), end(111)));
        assert_eq!(extend("b", 900, 50), (held_by_a(60), end(111)));
        assert_eq!(extend("a", 10, 111).0, Vote::not_held(), "it is dead");
    }

    #[test]
    fn only_the_own_token_releases() {
        let mut store = Store::default();
        acquire(&mut store, "a", 10, 0);
        let mut release =
            |name: &str, at| store.release(&resource(), &token(name), ServerTime::from_millis(at));
        assert_eq!(release("b", 0), held_by_a(10));
        assert_eq!(release("a", 0), Vote::granted());
        assert_eq!(release("a", 0), Vote::not_held());
    }
}
