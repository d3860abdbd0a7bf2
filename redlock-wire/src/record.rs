use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redlock_core::{ClockStep, Identity, StepDirection};

use crate::{
    Introduction,
    offset::{Direction, Look, Offset, Step},
};

/// What has been noticed of a server.
#[derive(Debug, Default)]
pub(crate) struct Record {
    state: Mutex<State>,
    /// How often its clock has been set.
    steps: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    introduction: Option<Introduction>,
    identity: Option<Identity>,
    offset: Offset,
    steps: VecDeque<ClockStep>,
}

impl Record {
    /// The server has been connected to. What its clock has shown then is another matter.
    pub(crate) fn met(&self, introduction: &Introduction) {
        let mut state = self.state();
        // Another server has another clock, and so may one that does not say which it is.
        if introduction.identity().is_none() || introduction.identity() != state.identity {
            state.offset = Offset::default();
        }
        state.identity = introduction.identity();
        state.introduction = Some(introduction.clone());
    }

    /// How far back the server remembers.
    pub(crate) fn remembers(&self) -> Option<Duration> {
        let state = self.state();
        let introduction = state.introduction.as_ref()?;
        let since = introduction.asked().steady.elapsed();
        Some(introduction.remembers()?.saturating_add(since))
    }

    /// The server has shown its clock.
    pub(crate) fn looked(&self, look: Look) {
        let mut state = self.state();
        let Some(Step { direction, at_least, at_most }) = state.offset.looked(look) else { return };
        let direction = match direction {
            Direction::Forward => StepDirection::Forward,
            Direction::Back => StepDirection::Back,
        };
        let number = self.steps.load(Ordering::Relaxed) + 1;
        if state.steps.len() == MOST {
            state.steps.pop_front();
        }
        state.steps.push_back(ClockStep::new(number, direction, at_least, at_most));
        self.steps.store(number, Ordering::Release);
    }

    /// How its clock has been set, after the step of this number.
    pub(crate) fn clock_steps(&self, heard: u64) -> Vec<ClockStep> {
        if self.steps.load(Ordering::Acquire) <= heard {
            return Vec::new();
        }
        let state = self.state();
        state.steps.iter().filter(|step| step.number() > heard).copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever asks after each answer misses none of them.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::{Reply, offset::Here};

    /// Looks at a clock that is so many seconds ahead.
    fn look(record: &Record, at: u64, ahead: u64) {
        let (steady, wall) = (Instant::now(), SystemTime::now());
        let here = |millis| {
            let since = Duration::from_secs(at) + Duration::from_millis(millis);
            Here { steady: steady + since, wall: wall + since }
        };
        let shown = 1_000_000_000_000 + (at + ahead) * 1_000_000;
        record.looked(Look { sent: here(0), received: here(10), shown });
    }

    fn meet(record: &Record, run_id: &str) {
        record.met(&Introduction::new(run_id, "", &Reply::Odd, Here::now()));
    }

    #[test]
    fn steps_are_numbered_and_whoever_has_heard_of_them_hears_them_no_more() {
        let record = Record::default();
        look(&record, 0, 0);
        assert!(record.clock_steps(0).is_empty());
        look(&record, 10, 20);
        look(&record, 20, 20);
        look(&record, 30, 0);
        let steps = record.clock_steps(0);
        let told: Vec<_> = steps.iter().map(|step| (step.number(), step.direction())).collect();
        assert_eq!(told, [(1, StepDirection::Forward), (2, StepDirection::Back)]);
        assert_eq!(record.clock_steps(1), steps[1..]);
        assert!(record.clock_steps(2).is_empty());
        for n in 0..100 {
            look(&record, 40 + 10 * n, 20 * (1 - n % 2));
        }
        assert_eq!(record.clock_steps(0).len(), MOST);
        assert_eq!(record.clock_steps(101).len(), 1);
    }

    #[test]
    fn another_server_has_another_clock() {
        let record = Record::default();
        let (one, another) =
            ("run_id:".to_owned() + &"1".repeat(40), "run_id:".to_owned() + &"2".repeat(40));
        meet(&record, &one);
        look(&record, 0, 0);
        meet(&record, &another);
        look(&record, 10, 20);
        assert!(record.clock_steps(0).is_empty());
        meet(&record, &another);
        look(&record, 20, 60);
        assert_eq!(record.clock_steps(0).len(), 1, "the same one");
        for at in 3..9 {
            meet(&record, "");
            look(&record, 10 * at, 100 * at);
        }
        assert_eq!(record.clock_steps(0).len(), 1, "who knows which");
    }
}
