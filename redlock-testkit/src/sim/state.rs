use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use futures::future::BoxFuture;
use redlock_core::Moment;

use super::{log::Log, ready::TaskWaker};
use crate::{
    SimRandom,
    clock::{Rate, ServerClock, ServerTime},
};

/// The part of a simulation that changes.
pub(super) struct State {
    now: Moment,
    steps: u64,
    pub(super) tasks: Vec<Option<Task>>,
    /// In the order in which they are due; among equals in an order drawn from the seed.
    events: BTreeMap<EventKey, Event>,
    numbered: u64,
    groups: Vec<Group>,
    pub(super) step_time: Duration,
    /// How often and how long the reading of a client's clock stalls.
    pub(super) stalls: (f64, Duration),
    /// How much of the time has passed in stalls.
    pub(super) stalled: Duration,
    pub(super) log: Log,
    pub(super) closed: bool,
}

/// Tasks are never given the number of an earlier one, so a waker of the past wakes nobody.
pub(super) type TaskId = usize;

/// The tasks of one client.
pub(super) type GroupId = usize;

/// The moment, the lot that was drawn, and a number that makes it unique.
pub(super) type EventKey = (Moment, u64, u64);

pub(super) struct Task {
    pub(super) group: GroupId,
    /// `None` for the one that is polled by whoever runs the simulation.
    pub(super) future: Option<BoxFuture<'static, ()>>,
    pub(super) waker: Arc<TaskWaker>,
}

pub(super) enum Event {
    Wake(Waker),
    Call(Box<dyn FnOnce() + Send>),
    Thaw(GroupId),
}

struct Group {
    clock: ServerClock,
    frozen_until: Option<Moment>,
    /// Tasks that were woken while frozen.
    parked: Vec<TaskId>,
}

impl State {
    pub(super) fn new() -> Self {
        let now = Moment::at(START);
        let mut state = Self {
            now,
            steps: 0,
            tasks: Vec::new(),
            events: BTreeMap::new(),
            numbered: 0,
            groups: Vec::new(),
            step_time: Duration::ZERO,
            stalls: (0.0, Duration::ZERO),
            stalled: Duration::ZERO,
            log: Log::new(),
            closed: false,
        };
        let main = state.add_group();
        debug_assert_eq!(main, MAIN_GROUP);
        state
    }

    pub(super) fn move_to(&mut self, moment: Moment) {
        self.now = self.now.max(moment);
    }

    /// Lets the time that a step takes pass.
    pub(super) fn begin_step(&mut self, random: &SimRandom, kind: u64, id: u64) {
        self.steps += 1;
        if !self.step_time.is_zero() {
            let took = random.between(Duration::ZERO, self.step_time);
            self.now = self.now.after(took);
        }
        let now = u64::try_from(self.now.since_origin().as_nanos()).unwrap_or(u64::MAX);
        self.log.numbers([kind, id, now]);
    }

    /// Gives back what is beyond the reach of any run, so that it is not dropped in here.
    pub(super) fn add_event(
        &mut self,
        at: Moment,
        random: &SimRandom,
        event: Event,
    ) -> Result<EventKey, Event> {
        if self.closed || at >= Moment::at(NEVER) {
            return Err(event);
        }
        self.numbered += 1;
        let key = (at, random.number(), self.numbered);
        self.events.insert(key, event);
        Ok(key)
    }

    pub(super) fn cancel_event(&mut self, key: EventKey) -> Option<Event> {
        self.events.remove(&key)
    }

    /// Replaces who is woken, and gives back who would have been; `None` if the event is no longer
    /// there.
    pub(super) fn rewake(&mut self, key: EventKey, waker: &Waker) -> Option<Waker> {
        match self.events.get_mut(&key)? {
            Event::Wake(old) => Some(std::mem::replace(old, waker.clone())),
            Event::Call(_) | Event::Thaw(_) => None,
        }
    }

    pub(super) fn next_event(&self) -> Option<Moment> {
        self.events.keys().next().map(|key| key.0)
    }

    pub(super) fn pop_event(&mut self) -> Option<(EventKey, Event)> {
        let (key, event) = self.events.pop_first()?;
        self.move_to(key.0);
        Some((key, event))
    }

    pub(super) fn take_events(&mut self) -> BTreeMap<EventKey, Event> {
        std::mem::take(&mut self.events)
    }

    /// Clients do not share an origin of time: moments of one mean nothing to another.
    pub(super) fn add_group(&mut self) -> GroupId {
        let group = self.groups.len();
        let days = u64::try_from(group).unwrap_or(u64::MAX);
        let start = START + Duration::from_secs(24 * 3600 * days.min(10_000));
        let start = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
        self.groups.push(Group {
            clock: ServerClock::starting(self.now, ServerTime::from_nanos(start)),
            frozen_until: None,
            parked: Vec::new(),
        });
        group
    }

    pub(super) fn set_rate(&mut self, group: GroupId, rate: Rate) {
        let now = self.now;
        if let Some(group) = self.groups.get_mut(group) {
            group.clock.set_rate(now, rate);
        }
    }

    pub(super) fn step_clock_forward(&mut self, group: GroupId, by: Duration) {
        let now = self.now;
        if let Some(group) = self.groups.get_mut(group) {
            group.clock.step_forward(now, by);
        }
    }

    /// What the clock of this client shows.
    pub(super) fn client_now(&self, group: GroupId) -> Moment {
        self.groups.get(group).map_or(self.now, |group| {
            Moment::at(Duration::from_nanos(group.clock.read(self.now).nanos()))
        })
    }

    /// When the clock of this client shows `moment`, in true time.
    pub(super) fn true_time(&self, group: GroupId, moment: Moment) -> Moment {
        let shown = u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX);
        self.groups
            .get(group)
            .map_or(moment, |group| group.clock.when(ServerTime::from_nanos(shown)))
    }

    pub(super) fn freeze(&mut self, group: GroupId, random: &SimRandom, until: Moment) {
        if let Some(frozen) = self.groups.get_mut(group) {
            frozen.frozen_until = frozen.frozen_until.max(Some(until));
            // Where there is nothing to come, there is nothing to thaw.
            drop(self.add_event(until, random, Event::Thaw(group)));
        }
    }

    /// The tasks that may go on, if the freeze is over by now.
    pub(super) fn thaw(&mut self, group: GroupId) -> Vec<TaskId> {
        let now = self.now;
        match self.groups.get_mut(group) {
            Some(group) if group.frozen_until.is_some_and(|until| until <= now) => {
                group.frozen_until = None;
                std::mem::take(&mut group.parked)
            }
            _ => Vec::new(),
        }
    }

    /// Sets the task aside if its client is frozen, and tells whether it is.
    pub(super) fn park(&mut self, task: TaskId, group: GroupId) -> bool {
        match self.groups.get_mut(group) {
            Some(group) if group.frozen_until.is_some() => {
                group.parked.push(task);
                true
            }
            _ => false,
        }
    }

    pub(super) const fn now(&self) -> Moment {
        self.now
    }

    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }
}

pub(super) const MAIN_GROUP: GroupId = 0;

/// So that a moment a little before the first is still a moment.
const START: Duration = Duration::from_secs(3600);

/// A timer this late is one that never fires.
const NEVER: Duration = Duration::from_secs(300 * 365 * 24 * 3600);
