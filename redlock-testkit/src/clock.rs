//! The clock of a server, which need not agree with anybody else's.

use std::time::Duration;

use redlock_core::Moment;

/// What the clock of a server shows: nanoseconds since an origin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerTime(u64);

impl ServerTime {
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds: since 1970, by a clock that is right.
    pub(crate) const fn micros(self) -> u64 {
        self.0 / 1000
    }

    /// Whole milliseconds, which is all that the life of a key is counted in.
    pub(crate) const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// How many times as fast as true time a clock runs: nanoseconds that it counts in a true second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(u64);

impl Rate {
    /// # Panics
    ///
    /// If no clock runs like that: below zero, infinite, or no number.
    #[track_caller]
    pub(crate) fn new(rate: f64) -> Self {
        assert!(
            rate.is_finite() && rate >= 0.0,
            "a clock cannot run {rate} times as fast as true time: give a number from 0 up"
        );
        // A cast from a float saturates.
        Self((rate * SECOND as f64).round() as u64)
    }
}

/// A clock that runs at its own rate and can be stepped.
///
/// In integers, so that every machine gets the same readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    /// The moment at which rate or reading were last set, and what the clock showed then.
    anchor: Moment,
    shown: ServerTime,
    rate: Rate,
}

impl ServerClock {
    /// A clock that runs true from `now` on.
    pub(crate) const fn new(now: Moment) -> Self {
        Self::starting(now, START)
    }

    /// A clock that shows `shown` at `now`, and runs true from then on.
    pub(crate) const fn starting(now: Moment, shown: ServerTime) -> Self {
        Self { anchor: now, shown, rate: Rate(SECOND) }
    }

    /// What it shows at `now`.
    pub(crate) fn read(&self, now: Moment) -> ServerTime {
        let passed = now.since(self.anchor).as_nanos() * u128::from(self.rate.0);
        let passed = u64::try_from(passed / u128::from(SECOND)).unwrap_or(u64::MAX);
        ServerTime(self.shown.0.saturating_add(passed))
    }

    /// The first moment at which it shows `time`, if nobody touches it; the moment of the last
    /// touch, if that had passed by then. One that stands still never comes to show it: that is
    /// later than the end of any run.
    pub(crate) fn when(&self, time: ServerTime) -> Moment {
        let ahead = time.0.saturating_sub(self.shown.0);
        let ahead = match (ahead, self.rate.0) {
            (0, _) => 0,
            (_, 0) => u64::MAX,
            (ahead, rate) => {
                let nanos = (u128::from(ahead) * u128::from(SECOND)).div_ceil(u128::from(rate));
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        };
        self.anchor.after(Duration::from_nanos(ahead))
    }

    pub(crate) fn step_forward(&mut self, now: Moment, by: Duration) {
        self.settle(now);
        self.shown.0 = self.shown.0.saturating_add(nanos(by));
    }

    pub(crate) fn step_back(&mut self, now: Moment, by: Duration) {
        self.settle(now);
        self.shown.0 = self.shown.0.saturating_sub(nanos(by));
    }

    pub(crate) fn set_rate(&mut self, now: Moment, rate: Rate) {
        self.settle(now);
        self.rate = rate;
    }

    fn settle(&mut self, now: Moment) {
        self.shown = self.read(now);
        self.anchor = now;
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const SECOND: u64 = 1_000_000_000;

/// What a new clock shows: 56 years since 1970, so that what is read from it is as large as what a real
/// server's clock shows, and that it can be stepped a long way in both directions.
const START: ServerTime = ServerTime(56 * 365 * 24 * 3600 * SECOND);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    fn shown(clock: &ServerClock, millis: u64) -> u64 {
        clock.read(at(millis)).millis() - START.millis()
    }

    #[test]
    fn steps_and_rates_apply_from_their_moment_on() {
        let mut clock = ServerClock::new(at(0));
        assert_eq!(shown(&clock, 100), 100);
        clock.set_rate(at(100), Rate::new(1.5));
        assert_eq!(shown(&clock, 100), 100);
        assert_eq!(shown(&clock, 200), 250);
        clock.step_forward(at(200), Duration::from_secs(1));
        assert_eq!(shown(&clock, 300), 1400);
        clock.step_back(at(300), Duration::from_millis(400));
        assert_eq!(shown(&clock, 300), 1000);
    }

    #[test]
    fn when_is_the_inverse_of_read() {
        for rate in [0.9, 0.995, 1.0, 1.005, 2.0] {
            let mut clock = ServerClock::new(at(3));
            clock.set_rate(at(5), Rate::new(rate));
            for ahead in [0, 1, 999_999, 1_000_003, 77_777_777_777] {
                let time = ServerTime(clock.read(at(5)).0 + ahead);
                let when = clock.when(time);
                assert!(clock.read(when) >= time);
                assert!(when == at(5) || clock.read(when.before(Duration::from_nanos(1))) < time);
            }
        }
    }

    #[test]
    fn a_stopped_clock_shows_the_same_for_ever() {
        let mut clock = ServerClock::new(at(0));
        clock.set_rate(at(10), Rate::new(0.0));
        assert_eq!(shown(&clock, 1000), 10);
        let time = clock.read(at(10));
        assert_eq!(clock.when(time), at(10));
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        assert!(clock.when(ServerTime(time.0 + 1)) > at(10).after(5 * century));
    }
}
