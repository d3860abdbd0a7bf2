use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redlock_core::{Resource, Token};

/// Which acquires may still be carried out, and until when by the server's clock: those that are
/// under way, and those whose answer never came.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<Ledger>);

#[derive(Debug)]
struct Ledger {
    open: HashMap<Claim, Doubt>,
    /// With so many, those are looked for that nobody has asked about.
    full: usize,
}

type Claim = (Resource, Token);

#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// In microseconds of the server's clock: nothing is set after that.
    latest: u64,
    since: Instant,
}

/// An acquire under way. Dropped before it is [settled](Self::settle), it stays in doubt.
pub(crate) struct UnderWay<'a> {
    doubts: &'a Doubts,
    /// `None` if there is nothing to settle: an earlier one of this claim is in doubt.
    claim: Option<Claim>,
}

impl Doubts {
    /// An acquire is about to be sent that sets nothing after that time.
    pub(crate) fn begin(
        &self,
        resource: &Resource,
        token: &Token,
        latest: Option<u64>,
        now: Instant,
    ) -> UnderWay<'_> {
        // If it is not known how long it may take, there is nothing to wait for.
        let Some(latest) = latest else { return UnderWay { doubts: self, claim: None } };
        let claim = (resource.clone(), token.clone());
        let mut ledger = self.ledger();
        ledger.forget(now);
        if let Some(doubt) = ledger.open.get_mut(&claim) {
            doubt.latest = doubt.latest.max(latest);
            return UnderWay { doubts: self, claim: None };
        }
        ledger.open.insert(claim.clone(), Doubt { latest, since: now });
        UnderWay { doubts: self, claim: Some(claim) }
    }

    /// Until when an acquire of this claim may be carried out, if one may.
    pub(crate) fn latest(&self, resource: &Resource, token: &Token) -> Option<u64> {
        let ledger = self.ledger();
        if ledger.open.is_empty() {
            return None;
        }
        ledger.open.get(&(resource.clone(), token.clone())).map(|doubt| doubt.latest)
    }

    /// No acquire of this claim is carried out any more.
    pub(crate) fn settle(&self, resource: &Resource, token: &Token) {
        self.ledger().open.remove(&(resource.clone(), token.clone()));
    }

    /// No invariant spans a panic here.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Throws away what is too old to matter, each time that there is twice as much as the last time
    /// had left: while a server is silent everything stays, and to look through all of it for each
    /// acquire would hold up those over servers that are not.
    fn forget(&mut self, now: Instant) {
        if self.open.len() >= self.full {
            self.open.retain(|_, doubt| now.saturating_duration_since(doubt.since) < FORGOTTEN);
            self.full = MANY.max(2 * self.open.len());
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { open: HashMap::new(), full: MANY }
    }
}

impl UnderWay<'_> {
    /// It is known what has become of it.
    pub(crate) fn settle(self) {
        if let Some((resource, token)) = self.claim {
            self.doubts.settle(&resource, &token);
        }
    }
}

/// Fewer are no burden, however old they are.
const MANY: usize = 1024;
/// Far longer than an acquire may take.
const FORGOTTEN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: usize) -> Claim {
        let token = Token::from_bytes(number.to_string().into_bytes()).unwrap();
        (Resource::new("r").unwrap(), token)
    }

    #[test]
    fn an_acquire_is_in_doubt_until_it_is_settled() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        let (resource, token) = claim(0);
        let latest = || doubts.latest(&resource, &token);
        drop(doubts.begin(&resource, &token, None, now));
        assert_eq!(latest(), None);
        drop(doubts.begin(&resource, &token, Some(7), now));
        drop(doubts.begin(&resource, &token, Some(5), now));
        assert_eq!(latest(), Some(7), "either may come");
        assert_eq!(doubts.latest(&resource, &claim(1).1), None);
        doubts.settle(&resource, &token);
        assert_eq!(latest(), None);
        doubts.begin(&resource, &token, Some(7), now).settle();
        assert_eq!(latest(), None);
        drop(doubts.begin(&resource, &token, Some(7), now));
        doubts.begin(&resource, &token, Some(9), now).settle();
        assert_eq!(latest(), Some(9), "the first may still come");
    }

    #[test]
    fn what_nobody_asks_about_is_forgotten() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        for number in 0..MANY {
            let (resource, token) = claim(number);
            drop(doubts.begin(&resource, &token, Some(7), now));
        }
        let (resource, token) = claim(MANY);
        drop(doubts.begin(&resource, &token, Some(7), now + FORGOTTEN));
        assert_eq!(doubts.ledger().open.len(), 1);
    }

    #[test]
    fn what_has_to_be_kept_is_not_looked_through_each_time() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        let begin = |number, now| {
            let (resource, token) = claim(number);
            drop(doubts.begin(&resource, &token, Some(7), now));
        };
        let mut looks = 0;
        for number in 0..8 * MANY {
            let full = doubts.ledger().full;
            begin(number, now);
            looks += usize::from(doubts.ledger().full != full);
        }
        assert_eq!((looks, doubts.ledger().open.len()), (3, 8 * MANY));
        // And given up in the end.
        for number in 8 * MANY..=16 * MANY {
            begin(number, now + FORGOTTEN);
        }
        assert!(doubts.ledger().open.len() <= 8 * MANY + 1);
    }
}
