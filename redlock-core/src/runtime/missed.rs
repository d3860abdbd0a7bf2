//! The time that the clock of this process has missed: [`missed`].

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How much time has passed since the first call that [`std::time::Instant`] does not count.
///
/// On Linux and macOS an `Instant` stands still while the machine is suspended, and a virtual
/// machine that is restored from a snapshot or moved to another host may miss time on all its
/// clocks until its wall clock is set right. A holder who went by such a clock would believe in a
/// lock that nodes have long forgotten (requirement R1). So what `CLOCK_BOOTTIME` or the wall clock
/// have run ahead counts as elapsed; what the wall clock falls back by does not bring it back.
///
/// `now` is a reading that the caller has just taken, so that the clock need not be read twice. One
/// of a clock that a test has stopped or moved does no harm: it seems to be news, and what is news
/// is looked at again.
pub(super) fn missed(now: Instant) -> Duration {
    account().missed(Leads::over(now), || Leads::over(read_clock()))
}

/// The same, as far as anybody has noticed: no clock is read.
pub(super) fn known_missed() -> Duration {
    account().known()
}

fn account() -> &'static Account {
    static ACCOUNT: OnceLock<Account> = OnceLock::new();
    ACCOUNT.get_or_init(|| Account::open(Leads::over(read_clock())))
}

/// The clock that timers go by.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub(super) fn read_clock() -> Instant {
    Instant::now()
}

/// How far the other clocks are ahead of the one that timers go by, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Leads {
    boot: i64,
    wall: i64,
}

/// What has been missed so far, and the leads that are accounted for.
///
/// Read at every look at the clock, by all threads, and hardly ever written.
#[derive(Debug)]
struct Account {
    boot: AtomicI64,
    wall: AtomicI64,
    missed: AtomicU64,
    writing: Mutex<()>,
}

impl Account {
    fn open(leads: Leads) -> Self {
        Self {
            boot: leads.boot.into(),
            wall: leads.wall.into(),
            missed: 0.into(),
            writing: Mutex::new(()),
        }
    }

    /// What has been missed by now, when these are the leads; `read` tells them once more.
    fn missed(&self, leads: Leads, read: impl Fn() -> Leads) -> Duration {
        if self.is_news(leads) {
            let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            // The clocks are read one after the other, and this thread may have been stopped in
            // between, which looks like a lead. What is news each time is none of that.
            let again = [read(), read(), read()];
            if again.iter().all(|leads| self.is_news(*leads)) {
                let least = |lead: fn(&Leads) -> i64| again.iter().map(lead).min().unwrap_or(0);
                self.enter(Leads {
                    boot: least(|leads| leads.boot),
                    wall: least(|leads| leads.wall),
                });
            }
        }
        self.known()
    }

    fn known(&self) -> Duration {
        Duration::from_nanos(self.missed.load(Ordering::Acquire))
    }

    /// Whether a clock has moved against ours by more than reading them makes it seem.
    fn is_news(&self, leads: Leads) -> bool {
        let moved = |now: i64, before: &AtomicI64| {
            now.saturating_sub(before.load(Ordering::Acquire)).unsigned_abs() > NOISE
        };
        moved(leads.boot, &self.boot) || moved(leads.wall, &self.wall)
    }

    fn enter(&self, leads: Leads) {
        let ahead = |now: i64, before: &AtomicI64| {
            let ahead = now.saturating_sub(before.load(Ordering::Acquire));
            u64::try_from(ahead).unwrap_or(0)
        };
        // Both clocks count a suspension, which is one all the same.
        let ahead = ahead(leads.boot, &self.boot).max(ahead(leads.wall, &self.wall));
        let missed = self.missed.load(Ordering::Acquire);
        // First what is missed: whoever sees the new leads sees that as well.
        self.missed.store(missed.saturating_add(ahead), Ordering::Release);
        self.boot.store(leads.boot, Ordering::Release);
        self.wall.store(leads.wall, Ordering::Release);
    }
}

impl Leads {
    /// The other clocks are read, and compared with this reading of ours.
    fn over(now: Instant) -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(|| now);
        // Of two threads that begin, one may have read the clock before the other.
        let ours = match now.checked_duration_since(start) {
            Some(since) => nanos(since),
            None => nanos(start.saturating_duration_since(now)).saturating_neg(),
        };
        let (boot, wall) = read_others();
        Self { boot: boot.saturating_sub(ours), wall: wall.saturating_sub(ours) }
    }
}

/// The clock that counts the time in suspension as well, and the wall clock.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn read_others() -> (i64, i64) {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    // The types of its fields differ between targets. A clock before its own origin is at it.
    let nanos = |time: Timespec| Duration::try_from(time).map_or(0, nanos);
    (nanos(clock_gettime(ClockId::Boottime)), nanos(clock_gettime(ClockId::Realtime)))
}

/// The wall clock alone, twice: it goes on in a suspension.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn read_others() -> (i64, i64) {
    use std::time::{SystemTime, UNIX_EPOCH};

    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
    (wall, wall)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// What may lie between two readings, in nanoseconds: a small part of any drift allowance, which
/// has a constant of 2 ms.
const NOISE: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    impl Account {
        fn missed_by(&self, read: impl Fn() -> Leads) -> Duration {
            self.missed(read(), read)
        }
    }

    /// Reads what is told one after the other, and the last again and again.
    fn told(readings: &[Leads]) -> impl Fn() -> Leads + '_ {
        let next = Cell::new(0);
        move || {
            let place = next.get();
            next.set(place + 1);
            readings[place.min(readings.len() - 1)]
        }
    }

    fn lead(boot: i64, wall: i64) -> Leads {
        Leads { boot, wall }
    }

    #[test]
    fn a_suspension_counts_once_although_both_clocks_tell_it() {
        let account = Account::open(lead(0, 50 * SECOND));
        assert_eq!(account.missed_by(|| lead(0, 50 * SECOND)), Duration::ZERO);
        let awake = lead(3600 * SECOND, 3650 * SECOND);
        assert_eq!(account.missed_by(|| awake), Duration::from_secs(3600));
        assert_eq!(account.missed_by(|| awake), Duration::from_secs(3600));
    }

    #[test]
    fn a_wall_clock_that_runs_ahead_counts_and_one_that_falls_back_does_not() {
        let account = Account::open(lead(0, 0));
        assert_eq!(account.missed_by(|| lead(0, 20 * SECOND)), Duration::from_secs(20));
        assert_eq!(account.missed_by(|| lead(0, -60 * SECOND)), Duration::from_secs(20));
        assert_eq!(account.missed_by(|| lead(0, -50 * SECOND)), Duration::from_secs(30));
        assert_eq!(account.missed_by(|| lead(5 * SECOND, -50 * SECOND)), Duration::from_secs(35));
    }

    #[test]
    fn what_lies_between_two_readings_is_not_missed_however_often_it_is_read() {
        let account = Account::open(lead(0, 0));
        for _ in 0..1000 {
            assert_eq!(account.missed_by(|| lead(900_000, -900_000)), Duration::ZERO);
        }
        // This thread was stopped while it read, twice.
        let interrupted = [lead(SECOND, SECOND), lead(0, 2 * SECOND), lead(0, 0)];
        assert_eq!(account.missed_by(told(&interrupted)), Duration::ZERO);
        // And while the machine woke up.
        let resumed = [lead(9 * SECOND, 9 * SECOND), lead(9 * SECOND, 8 * SECOND)];
        assert_eq!(account.missed_by(told(&resumed)), Duration::from_secs(9));
    }

    /// A timer goes by what is known, without a look at the clock.
    #[test]
    fn what_was_missed_is_known_from_when_somebody_has_looked() {
        let account = Account::open(lead(0, 0));
        assert_eq!(account.known(), Duration::ZERO);
        for seconds in [3600, 3605] {
            let before = account.known();
            let awake = || lead(seconds * SECOND, 0);
            assert_eq!(account.known(), before, "not before");
            assert_eq!(account.missed_by(awake), account.known());
            assert_eq!(account.known().as_secs(), seconds.unsigned_abs());
        }
    }

    #[test]
    fn nothing_is_missed_while_this_test_runs() {
        for _ in 0..10_000 {
            assert_eq!(missed(read_clock()), Duration::ZERO);
        }
    }

    #[test]
    fn a_reading_of_a_clock_that_a_test_has_moved_misses_nothing() {
        let hour = Duration::from_secs(3600);
        for _ in 0..10 {
            let now = read_clock();
            assert_eq!(missed(now + hour), Duration::ZERO);
            assert_eq!(missed(now.checked_sub(hour).unwrap_or(now)), Duration::ZERO);
        }
    }
}
