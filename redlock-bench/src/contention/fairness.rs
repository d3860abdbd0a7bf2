use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::Instant,
    samples::{quantile, ratio},
    worker::Turn,
};

/// Who got the lock in one contest, in which order and after how long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fairness {
    /// How long each acquire took, in order. Those that had not ended when the contest did are in
    /// it with their time until then.
    pub(super) waits: Vec<Duration>,
    /// How many of these had not ended.
    pub(super) unserved: usize,
    /// How often each process got the lock.
    pub(super) by_process: Vec<usize>,
    /// How often a process got it that had just had it.
    pub(super) back: usize,
    /// How long it was held in all.
    pub(super) held: Duration,
    /// How often two had it at one time.
    pub(super) overlaps: usize,
    pub(super) length: Duration,
}

impl Fairness {
    /// From the turns of each process.
    pub(super) fn of(turns: &[Vec<Turn>], end: Instant, length: Duration) -> Self {
        let mut holds: Vec<(Instant, Instant, usize)> = Vec::new();
        let mut waits = Vec::new();
        let mut unserved = 0;
        for (process, turns) in turns.iter().enumerate() {
            for turn in turns {
                let served = turn.held.map_or(end, |(from, _)| from);
                waits.push(served.since(turn.asked));
                match turn.held {
                    Some((from, until)) => holds.push((from, until, process)),
                    None => unserved += 1,
                }
            }
        }
        waits.sort_unstable();
        holds.sort_unstable();
        let mut by_process = vec![0; turns.len()];
        holds.iter().for_each(|(_, _, process)| by_process[*process] += 1);
        let pairs = || holds.iter().zip(holds.iter().skip(1));
        Self {
            waits,
            unserved,
            by_process,
            back: pairs().filter(|(one, next)| one.2 == next.2).count(),
            held: holds.iter().map(|(from, until, _)| until.since(*from)).sum(),
            overlaps: pairs().filter(|(one, next)| next.0 < one.1).count(),
            length,
        }
    }

    pub(super) fn acquisitions(&self) -> usize {
        self.by_process.iter().sum()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.acquisitions() as f64 / self.length.as_secs_f64()
    }

    /// How many there would be if it were handed on in no time.
    pub(super) fn cap(&self) -> f64 {
        self.acquisitions().max(1) as f64 / self.held.as_secs_f64()
    }

    /// Which part of the time it was held.
    pub(super) fn used(&self) -> f64 {
        ratio(self.held, self.length)
    }

    /// The smallest and the largest share of a process, 1 being its fair one.
    pub(super) fn shares(&self) -> (f64, f64) {
        let fair = self.acquisitions().max(1) as f64 / self.by_process.len() as f64;
        let of = |count: Option<&usize>| count.copied().unwrap_or(0) as f64 / fair;
        (of(self.by_process.iter().min()), of(self.by_process.iter().max()))
    }

    /// Which part of the hand-offs went back to the process that had it.
    pub(super) fn back(&self) -> f64 {
        self.back as f64 / self.acquisitions().saturating_sub(1).max(1) as f64
    }

    pub(super) fn wait(&self, part: f64) -> Duration {
        quantile(&self.waits, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(asked: u64, from: u64, until: u64) -> Turn {
        let at = Instant::at_millis;
        Turn { asked: at(asked), held: Some((at(from), at(until))) }
    }

    #[test]
    fn a_contest_is_read_from_the_turns_of_its_processes() {
        let second = Duration::from_millis(10);
        let one = vec![turn(0, 1, 2), turn(2, 3, 4), turn(4, 5, 6)];
        let other = vec![turn(0, 7, 9), Turn { asked: Instant::at_millis(9), held: None }];
        let seen = Fairness::of(&[one, other], Instant::at_millis(10), second);
        assert_eq!(seen.by_process, [3, 1]);
        assert_eq!((seen.acquisitions(), seen.unserved, seen.overlaps), (4, 1, 0));
        assert_eq!(seen.back, 2, "two of three hand-offs");
        assert_eq!(seen.shares(), (0.5, 1.5));
        assert_eq!(seen.wait(1.0), Duration::from_millis(7));
        assert_eq!(seen.waits.len(), 5, "whoever still waited counts");
        assert_eq!((seen.held, seen.used()), (Duration::from_millis(5), 0.5));
        assert_eq!((seen.per_second(), seen.cap()), (400.0, 800.0));
    }

    #[test]
    fn two_holders_at_one_time_are_seen() {
        let seen = Fairness::of(
            &[vec![turn(0, 1, 4)], vec![turn(0, 3, 5)]],
            Instant::at_millis(10),
            Duration::from_millis(10),
        );
        assert_eq!(seen.overlaps, 1);
    }

    #[test]
    fn a_contest_that_nobody_won_has_figures_too() {
        let none = Turn { asked: Instant::at_millis(0), held: None };
        let seen = Fairness::of(&[vec![none]], Instant::at_millis(9), Duration::from_millis(9));
        assert_eq!((seen.acquisitions(), seen.unserved, seen.back()), (0, 1, 0.0));
        assert_eq!(seen.wait(0.5), Duration::from_millis(9));
        assert_eq!(seen.shares(), (0.0, 0.0));
    }
}
