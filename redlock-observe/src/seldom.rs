use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What has been said of late, and need not be said again: a node that is down fails every call of
/// every lock.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<HashMap<&'static str, HashMap<String, Instant>>>);

impl Seldom {
    /// Whether it is time to say this of somebody, which then counts as said.
    pub(crate) fn is_time(&self, what: &'static str, of: &str, now: Instant) -> bool {
        // No invariant spans a panic here.
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.entry(what).or_default();
        match said.get_mut(of) {
            Some(last) if now.saturating_duration_since(*last) < PAUSE => false,
            Some(last) => {
                *last = now;
                true
            }
            None => {
                said.insert(of.to_owned(), now);
                true
            }
        }
    }
}

/// Often enough to be seen, and seldom enough not to hide the rest.
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_of_the_same_one_only_after_a_pause() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let said =
            |what, of, seconds| seldom.is_time(what, of, start + Duration::from_secs(seconds));
        assert!(said("down", "a", 0));
        assert!(!said("down", "a", 9));
        assert!(said("down", "b", 9));
        assert!(said("late", "a", 9));
        assert!(said("down", "a", 10), "counted from when it was said");
        assert!(!said("down", "a", 19));
        assert!(!said("late", "a", 0), "whatever the clock does");
    }
}
