//! How far a server's clock is ahead of this machine's, and that it was set: [`Offset`].

use std::time::{Duration, Instant, SystemTime};

/// What this machine's clocks showed at some moment.
///
/// Two of them, because the steady one may stand still while the machine is suspended, in which
/// the clocks of servers go on (requirement R1).
#[derive(Clone, Copy, Debug)]
pub struct Here {
    pub(crate) steady: Instant,
    pub(crate) wall: SystemTime,
}

/// A server's answer to what its clock shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Before it was asked.
    pub(crate) sent: Here,
    /// After it had answered.
    pub(crate) received: Here,
    /// Microseconds since 1970.
    pub(crate) shown: u64,
}

/// How far a server's clock has been set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) direction: Direction,
    pub(crate) at_least: Duration,
    pub(crate) at_most: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

/// How far a server's clock is ahead of this machine's (requirement R38).
///
/// It was read between asking and being answered, so each look makes that an interval. Clocks
/// differ in their rates, and an interval widens by as much as they may: what two looks tell then
/// overlaps, unless one of the clocks has been set in between. This machine's steady clock is set
/// by nobody; where it may have stood still, as the other one tells, that is allowed for.
#[derive(Debug, Default)]
pub(crate) struct Offset(Option<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// What the steady clock is counted from.
    origin: Instant,
    between: Interval,
    /// When it was last so.
    sent: Here,
    received: Here,
}

/// In microseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    low: i128,
    high: i128,
}

impl Offset {
    /// Tells whether the clock has been set since the look before. From a step on, what was known
    /// before it is forgotten.
    ///
    /// Looks that overlap in time are in no certain order, and the second one is passed over.
    pub(crate) fn looked(&mut self, look: Look) -> Option<Step> {
        let Some(known) = self.0 else {
            self.0 = Some(Known::new(look, look.sent.steady));
            return None;
        };
        if look.sent.steady < known.received.steady {
            return None;
        }
        let mut new = Known::new(look, known.origin);
        let before = known.as_of(look.received);
        let step = before.step_to(new.between);
        match step {
            Some(_) => self.0 = Some(new),
            // Too little for a step, too much for a clock that runs right: it may add up.
            None if before.and(new.between).is_none() => {}
            None => {
                new.between = before.and(new.between).unwrap_or(new.between);
                self.0 = Some(new);
            }
        }
        step
    }
}

impl Known {
    fn new(look: Look, origin: Instant) -> Self {
        let Look { sent, received, shown } = look;
        let since = |here: Here| {
            let ahead = here.steady.saturating_duration_since(origin);
            let behind = origin.saturating_duration_since(here.steady);
            micros(ahead).saturating_sub(micros(behind))
        };
        let shown = i128::from(shown);
        // What is cut off below a microsecond, on either side.
        let between = Interval { low: shown - since(received) - 1, high: shown - since(sent) + 1 };
        Self { origin, between, sent, received }
    }

    /// What may have become of it by now.
    fn as_of(&self, now: Here) -> Interval {
        let elapsed = now.steady.saturating_duration_since(self.sent.steady);
        let by_wall = now.wall.duration_since(self.sent.wall).unwrap_or_default();
        let missed = by_wall.saturating_sub(elapsed);
        let drift = micros(elapsed.saturating_add(missed)) / DRIFT + 1;
        let Interval { low, high } = self.between;
        Interval { low: low - drift, high: high + drift + micros(missed) }
    }
}

impl Interval {
    fn and(self, other: Self) -> Option<Self> {
        let both = Self { low: self.low.max(other.low), high: self.high.min(other.high) };
        (both.low <= both.high).then_some(both)
    }

    fn step_to(self, new: Self) -> Option<Step> {
        let (direction, at_least, at_most) = if new.low - self.high > LEAST {
            (Direction::Forward, new.low - self.high, new.high - self.low)
        } else if self.low - new.high > LEAST {
            (Direction::Back, self.low - new.high, self.high - new.low)
        } else {
            return None;
        };
        let span = |micros| Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        Some(Step { direction, at_least: span(at_least), at_most: span(at_most) })
    }
}

impl Here {
    /// What they show now.
    #[must_use]
    pub fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }
}

fn micros(span: Duration) -> i128 {
    // The longest there is, in microseconds, is below a hundredth of the largest of these.
    i128::try_from(span.as_micros()).unwrap_or(i128::MAX / 100)
}

/// Clocks go wrong by no more than a part in this many, as the lock assumes by default.
const DRIFT: i128 = 100;
/// Nobody sets a clock by less, and servers that take each other's place behind one name, with
/// clocks kept right, differ by less.
const LEAST: i128 = 50_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server and a client in a world where true time is in microseconds.
    struct World {
        steady: Instant,
        wall: SystemTime,
        offset: Offset,
    }

    impl World {
        fn new() -> Self {
            let steady = Instant::now();
            Self { steady, wall: SystemTime::UNIX_EPOCH + DECADES, offset: Offset::default() }
        }

        /// The clocks here, with the steady one behind by so much.
        fn here(&self, at: u64, missed: u64) -> Here {
            let span = Duration::from_micros;
            Here { steady: self.steady + span(at - missed), wall: self.wall + span(at) }
        }

        /// Asked at `sent`, answered at `received`, and in between the clock showed this.
        fn look(&mut self, sent: u64, received: u64, shown: u64) -> Option<Step> {
            let (sent, received) = (self.here(sent, 0), self.here(received, 0));
            self.offset.looked(Look { sent, received, shown: START + shown })
        }
    }

    fn forward(at_least: u64, at_most: u64) -> Option<Step> {
        let span = Duration::from_millis;
        let step = Step {
            direction: Direction::Forward,
            at_least: span(at_least),
            at_most: span(at_most),
        };
        Some(step)
    }

    fn rounded(step: Option<Step>) -> Option<Step> {
        let whole = |span: Duration| Duration::from_millis((span.as_micros() as u64 + 500) / 1000);
        step.map(|step| Step {
            at_least: whole(step.at_least),
            at_most: whole(step.at_most),
            ..step
        })
    }

    #[test]
    fn a_clock_that_goes_on_has_not_been_set() {
        let mut world = World::new();
        for second in 0..100 {
            let at = second * SECOND;
            assert_eq!(world.look(at, at + 3 * MS, at + MS), None);
        }
    }

    #[test]
    fn a_step_is_told_once_with_what_it_was_at_least_and_at_most() {
        let mut world = World::new();
        assert_eq!(world.look(0, 10 * MS, 5 * MS), None);
        // A second later, by 20 s: 10 ms of each look, and 1 % of what lies in between.
        let step = world.look(SECOND, SECOND + 10 * MS, 21 * SECOND + 5 * MS);
        assert_eq!(rounded(step), forward(19_980, 20_020));
        assert_eq!(world.look(2 * SECOND, 2 * SECOND + 10 * MS, 22 * SECOND + 5 * MS), None);
        let back = world.look(3 * SECOND, 3 * SECOND + 10 * MS, 3 * SECOND + 5 * MS).unwrap();
        assert_eq!(back.direction, Direction::Back);
        assert!(back.at_least < Duration::from_secs(20) && back.at_most > Duration::from_secs(20));
        assert_eq!(world.look(4 * SECOND, 4 * SECOND + 10 * MS, 4 * SECOND + 5 * MS), None);
    }

    #[test]
    fn what_takes_long_and_what_a_clock_may_gain_is_no_step() {
        let mut world = World::new();
        assert_eq!(world.look(0, MS, 0), None);
        assert_eq!(world.look(SECOND, 61 * SECOND, 60 * SECOND), None, "a slow answer");
        assert_eq!(world.look(100 * SECOND, 100 * SECOND + MS, 101 * SECOND), None, "one percent");
        let mut world = World::new();
        assert_eq!(world.look(0, MS, 0), None);
        assert!(world.look(100 * SECOND, 100 * SECOND + MS, 101 * SECOND + 100 * MS).is_some());
    }

    #[test]
    fn answers_that_overlap_are_in_no_order() {
        let mut world = World::new();
        assert_eq!(world.look(0, 10 * MS, SECOND), None);
        assert_eq!(world.look(9 * MS, 20 * MS, 0), None, "read earlier, or set back?");
        assert_eq!(world.look(10 * MS, 20 * MS, SECOND + 10 * MS), None);
        assert!(world.look(21 * MS, 30 * MS, 0).is_some());
    }

    #[test]
    fn what_is_too_little_for_a_step_adds_up() {
        let mut world = World::new();
        assert_eq!(world.look(0, MS, 0), None);
        // Eight percent too fast, as a clock may be that is being put right.
        let steps = (1..=40).filter_map(|n| {
            let at = n * SECOND / 10;
            world.look(at, at + MS, at * 108 / 100)
        });
        let told: Duration = steps.map(|step| step.at_least).sum();
        assert!(told > Duration::from_millis(200), "{told:?}");
        assert!(told < Duration::from_millis(320), "{told:?}");
        // Servers that are apart by a little and answer in turn.
        let mut world = World::new();
        for n in 0..100 {
            let at = n * SECOND / 10;
            assert_eq!(world.look(at, at + MS, at + n % 2 * 30 * MS), None);
        }
    }

    #[test]
    fn a_machine_that_slept_does_not_take_it_for_a_step() {
        let hour = 3600 * SECOND;
        let mut world = World::new();
        assert_eq!(world.look(0, MS, 0), None);
        let mut after = |sent, received, shown| {
            let (sent, received) = (world.here(sent, hour), world.here(received, hour));
            world.offset.looked(Look { sent, received, shown: START + shown })
        };
        assert_eq!(after(hour + SECOND, hour + SECOND + MS, hour + SECOND), None);
        let later = hour + 2 * SECOND;
        assert_eq!(after(later, later + MS, later), None);
        // It sleeps no more, so this is one, by an hour.
        let later = hour + 3 * SECOND;
        assert!(after(later, later + MS, later + hour).is_some());
    }

    #[test]
    fn no_answer_is_too_odd() {
        let mut world = World::new();
        assert_eq!(world.look(0, MS, 0), None);
        let (sent, received) = (world.here(2 * MS, 0), world.here(3 * MS, 0));
        let mut look = |shown| world.offset.looked(Look { sent, received, shown });
        assert_eq!(look(u64::MAX).unwrap().direction, Direction::Forward);
    }

    /// Pauses between looks, how long each takes, where in that the clock is read, and by how many
    /// millionths it goes wrong until then.
    fn looks() -> impl Strategy<Value = Vec<(u64, u64, f64, f64)>> {
        let look = (0..100 * SECOND, 0..2 * SECOND, 0.0..=1.0, -9_900.0..9_900.0);
        prop::collection::vec(look, 1..30)
    }

    proptest! {
        #[test]
        fn a_clock_that_is_as_right_as_it_must_be_is_never_said_to_be_set(looks in looks()) {
            let mut world = World::new();
            let (mut now, mut gained) = (0, 0.0);
            for (pause, took, part, wrong) in looks {
                let sent = now + pause;
                let read = sent + (took as f64 * part) as u64;
                gained += (read - now) as f64 * wrong / 1e6;
                let shown = (read as f64 + gained + 1e15) as u64;
                let (before, after) = (world.here(sent, 0), world.here(sent + took, 0));
                let look = Look { sent: before, received: after, shown };
                prop_assert_eq!(world.offset.looked(look), None);
                gained += (sent + took - read) as f64 * wrong / 1e6;
                now = sent + took;
            }
        }

        #[test]
        fn what_a_step_is_said_to_be_is_what_it_is(
            looks in looks(), by in 5 * SECOND..1000 * SECOND, back: bool,
        ) {
            let mut world = World::new();
            let mut now = 0;
            let shown = |at: u64| 10_000 * SECOND + at;
            for (pause, took, part, _) in looks {
                let sent = now + pause;
                now = sent + took;
                let step = world.look(sent, now, shown(sent + (took as f64 * part) as u64));
                prop_assert_eq!(step, None);
            }
            let (sent, received) = (now + SECOND, now + SECOND + MS);
            let set = if back { shown(sent) - by } else { shown(sent) + by };
            let step = world.look(sent, received, set).unwrap();
            let expected = if back { Direction::Back } else { Direction::Forward };
            prop_assert_eq!(step.direction, expected);
            let by = Duration::from_micros(by);
            prop_assert!(step.at_least <= by && by <= step.at_most, "{:?}", step);
        }
    }

    const MS: u64 = 1000;
    const SECOND: u64 = 1_000_000;
    const START: u64 = 1_700_000_000_000_000;
    const DECADES: Duration = Duration::from_secs(1_700_000_000);
}
