use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use super::{core::lock, state::TaskId};
use crate::SimRandom;

/// The tasks that want to be polled.
#[derive(Debug, Default)]
pub(super) struct Ready(Mutex<Vec<TaskId>>);

/// Asks for a poll of one task.
#[derive(Debug)]
pub(super) struct TaskWaker {
    task: TaskId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    /// A new task, which wants its first poll.
    pub(super) fn add(self: &Arc<Self>, task: TaskId) -> Arc<TaskWaker> {
        self.push(task);
        Arc::new(TaskWaker { task, queued: AtomicBool::new(true), ready: Arc::clone(self) })
    }

    pub(super) fn push(&self, task: TaskId) {
        lock(&self.0).push(task);
    }

    /// Takes one of them, by lot.
    pub(super) fn draw(&self, random: &SimRandom) -> Option<TaskId> {
        let mut ready = lock(&self.0);
        match ready.len() {
            0 => None,
            1 => ready.pop(),
            several => {
                let lot = random.below(u64::try_from(several).unwrap_or(u64::MAX));
                Some(ready.swap_remove(usize::try_from(lot).unwrap_or(0)))
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl TaskWaker {
    /// From here on a wake asks for another poll.
    pub(super) fn begin_poll(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.push(self.task);
        }
    }
}
