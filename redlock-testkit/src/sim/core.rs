use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures::future::BoxFuture;
use redlock_core::{Moment, NoRuntime};

use super::{
    ready::Ready,
    state::{Event, EventKey, GroupId, MAIN_GROUP, State, Task, TaskId},
};
use crate::SimRandom;

/// The executor: picks what happens next, and lets it happen.
///
/// No lock is held while a task is polled, a call is made or anything of theirs is dropped, for
/// all of them may come back here.
pub(super) struct Core {
    state: Mutex<State>,
    ready: Arc<Ready>,
    random: SimRandom,
    hooks: Mutex<Vec<Box<dyn FnMut() + Send>>>,
    /// Somebody looks on, and must not change what he sees.
    observed: AtomicBool,
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is for the caller to do: his own future is to be polled.
    Main,
    /// Something happened.
    Done,
    /// There is nothing to do, now or later.
    Idle,
}

impl Core {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(State::new()),
            ready: Arc::default(),
            random: SimRandom::new(seed),
            hooks: Mutex::default(),
            observed: AtomicBool::new(false),
        }
    }

    pub(super) fn add_hook(&self, hook: Box<dyn FnMut() + Send>) {
        lock(&self.hooks).push(hook);
    }

    pub(super) fn register_main(&self) -> (TaskId, Waker) {
        let task = self.add_task(MAIN_GROUP, None);
        (task, self.waker(task))
    }

    pub(super) fn spawn(
        &self,
        group: GroupId,
        future: BoxFuture<'static, ()>,
    ) -> Result<(), NoRuntime> {
        if self.state().closed {
            return Err(NoRuntime);
        }
        self.add_task(group, Some(future));
        Ok(())
    }

    pub(super) fn call_at(&self, at: Moment, call: Box<dyn FnOnce() + Send>) {
        let mut state = self.state();
        let at = at.max(state.now());
        let refused = state.add_event(at, &self.random, Event::Call(call));
        drop(state);
        drop(refused);
    }

    /// Lets one thing happen. The `main` task is left to the caller, and if it ends he no longer
    /// asks for it.
    pub(super) fn step(&self, main: Option<TaskId>) -> Step {
        loop {
            if self.event_is_next() {
                return self.fire();
            }
            let Some(task) = self.ready.draw(&self.random) else {
                return if self.state().next_event().is_some() { self.fire() } else { Step::Idle };
            };
            if let Some(step) = self.run(task, main) {
                return step;
            }
        }
    }

    /// When the next thing happens; now, if a task is ready.
    pub(super) fn next_at(&self) -> Option<Moment> {
        let state = self.state();
        if self.ready.is_empty() { state.next_event() } else { Some(state.now()) }
    }

    pub(super) fn after_step(&self) {
        let mut hooks = std::mem::take(&mut *lock(&self.hooks));
        self.observe(|| hooks.iter_mut().for_each(|hook| hook()));
        let mut kept = lock(&self.hooks);
        hooks.append(&mut kept);
        *kept = hooks;
    }

    /// Time stands still in here, whatever is asked of clocks.
    pub(super) fn observe<T>(&self, look: impl FnOnce() -> T) -> T {
        let nested = self.observed.swap(true, Ordering::Relaxed);
        let seen = look();
        self.observed.store(nested, Ordering::Relaxed);
        seen
    }

    pub(super) fn shut_down(&self) {
        self.state().closed = true;
        drop(std::mem::take(&mut *lock(&self.hooks)));
        let tasks = std::mem::take(&mut self.state().tasks);
        drop(tasks);
        let events = self.state().take_events();
        drop(events);
    }

    /// The clock of a client, which may have to wait for its process to be scheduled again after
    /// it was read.
    pub(super) fn read_clock(&self, group: GroupId) -> Moment {
        let mut state = self.state();
        let reading = state.client_now(group);
        let (probability, longest) = state.stalls;
        if probability > 0.0
            && !self.observed.load(Ordering::Relaxed)
            && self.random.chance(probability)
        {
            let pause = self.random.between(std::time::Duration::ZERO, longest);
            let end = state.now().after(pause);
            state.move_to(end);
            state.stalled += pause;
        }
        reading
    }

    pub(super) fn note(&self, what: fmt::Arguments<'_>) {
        let mut state = self.state();
        let millis = state.now().since_origin().as_secs_f64() * 1000.0;
        state.log.text(millis, what);
    }

    pub(super) fn remark(&self, what: fmt::Arguments<'_>) {
        let mut state = self.state();
        let millis = state.now().since_origin().as_secs_f64() * 1000.0;
        state.log.remark(millis, what);
    }

    /// Replaces who is woken at this event, or makes the event.
    pub(super) fn wake_at(
        &self,
        group: GroupId,
        deadline: Moment,
        key: Option<EventKey>,
        waker: &Waker,
    ) -> Option<EventKey> {
        let mut state = self.state();
        if let Some(key) = key
            && let Some(old) = state.rewake(key, waker)
        {
            drop(state);
            drop(old);
            return Some(key);
        }
        let at = state.true_time(group, deadline);
        let event = state.add_event(at, &self.random, Event::Wake(waker.clone()));
        drop(state);
        event.ok()
    }

    pub(super) fn cancel(&self, key: EventKey) {
        let event = self.state().cancel_event(key);
        drop(event);
    }

    pub(super) fn freeze(&self, group: GroupId, until: Moment) {
        self.state().freeze(group, &self.random, until);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) const fn random(&self) -> &SimRandom {
        &self.random
    }

    /// Whether an event is due that goes before the tasks that are ready: half of the time.
    fn event_is_next(&self) -> bool {
        let state = self.state();
        let due = state.next_event().is_some_and(|at| at <= state.now());
        due && self.random.below(2) == 0
    }

    fn fire(&self) -> Step {
        let event = {
            let mut state = self.state();
            let Some((key, event)) = state.pop_event() else {
                return Step::Idle;
            };
            state.begin_step(&self.random, 1, key.2);
            event
        };
        match event {
            Event::Wake(waker) => waker.wake(),
            Event::Call(call) => call(),
            Event::Thaw(group) => {
                let thawed = self.state().thaw(group);
                for task in thawed {
                    self.ready.push(task);
                }
            }
        }
        self.after_step();
        Step::Done
    }

    /// Polls a task; `None` if there was nothing to poll.
    fn run(&self, id: TaskId, main: Option<TaskId>) -> Option<Step> {
        let (mut future, waker) = {
            let mut state = self.state();
            let group = state.tasks.get(id)?.as_ref()?.group;
            if state.park(id, group) {
                return None;
            }
            let task = state.tasks.get_mut(id)?.as_mut()?;
            // From here on a wake asks for another poll.
            task.waker.begin_poll();
            let (future, waker) = (task.future.take(), Arc::clone(&task.waker));
            if future.is_none() && main != Some(id) {
                // The future of an earlier run, which has ended.
                state.tasks[id] = None;
                return None;
            }
            let number = u64::try_from(id).unwrap_or(u64::MAX);
            state.begin_step(&self.random, 0, number);
            match future {
                Some(future) => (future, Waker::from(waker)),
                None => return Some(Step::Main),
            }
        };
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        match poll {
            Poll::Ready(()) => {
                drop(future);
                let mut state = self.state();
                let ended = state.tasks.get_mut(id).and_then(Option::take);
                drop(state);
                drop(ended);
            }
            Poll::Pending => {
                if let Some(Some(task)) = self.state().tasks.get_mut(id) {
                    task.future = Some(future);
                }
            }
        }
        self.after_step();
        Some(Step::Done)
    }

    fn add_task(&self, group: GroupId, future: Option<BoxFuture<'static, ()>>) -> TaskId {
        let mut state = self.state();
        let task = state.tasks.len();
        let waker = self.ready.add(task);
        state.tasks.push(Some(Task { group, future, waker }));
        task
    }

    fn waker(&self, task: TaskId) -> Waker {
        match self.state().tasks.get(task) {
            Some(Some(task)) => Waker::from(Arc::clone(&task.waker)),
            _ => Waker::noop().clone(),
        }
    }
}

/// A panic of a task leaves nothing half done here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
