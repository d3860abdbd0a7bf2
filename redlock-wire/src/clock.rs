use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What is known of a server's clock: enough to say when a request is too late.
///
/// What the server told last is taken to have been so when that request left, which was earlier. So
/// the clock is taken to be further than it is, and a request in time is not too late, unless the
/// server's clock was set forward meanwhile: then one is, and brings the clock up to date.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    micros: u64,
    asked: Instant,
}

impl ServerClock {
    /// The server has told that it is so many microseconds since 1970, in answer to what was asked
    /// then. Of several, the one that was asked last counts.
    pub(crate) fn told(&self, micros: u64, asked: Instant) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.is_none_or(|reading| reading.asked <= asked) {
            *reading = Some(Reading { micros, asked });
        }
    }

    /// The same of one of several servers: the clock that is furthest counts.
    pub(crate) fn told_by_one_of_many(&self, micros: u64, asked: Instant) {
        let known = self.after(Duration::ZERO, asked);
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| known < micros) {
            *reading = Some(Reading { micros, asked });
        }
    }

    /// What it will show, at the latest, after so long from now. `None` before the first contact.
    pub(crate) fn after(&self, patience: Duration, now: Instant) -> Option<u64> {
        let reading = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let elapsed = now.saturating_duration_since(reading.asked);
        let ahead = elapsed + elapsed / DRIFT + patience;
        Some(reading.micros.saturating_add(u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Clocks go wrong by no more than a part in this many.
const DRIFT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_reading_and_what_may_have_passed_since() {
        let clock = ServerClock::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let patience = Duration::from_millis(600);
        assert_eq!(clock.after(patience, start), None);
        clock.told(5_000_000, at(100));
        assert_eq!(clock.after(patience, at(100)), Some(5_600_000));
        assert_eq!(clock.after(patience, at(1_100)), Some(6_610_000));
        assert_eq!(clock.after(patience, at(0)), Some(5_600_000));
        clock.told(9_000_000, at(50));
        assert_eq!(clock.after(patience, at(100)), Some(5_600_000), "asked before");
        clock.told(1_000_000, at(200));
        assert_eq!(clock.after(patience, at(200)), Some(1_600_000), "it was set back");

        clock.told_by_one_of_many(500_000, at(300));
        assert_eq!(clock.after(patience, at(200)), Some(1_600_000));
        clock.told_by_one_of_many(7_000_000, at(300));
        assert_eq!(clock.after(patience, at(300)), Some(7_600_000));
    }
}
