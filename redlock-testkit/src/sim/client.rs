use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures::{channel::oneshot, future::BoxFuture};
use redlock_core::{Moment, NoRuntime, Runtime};

use super::{core::Core, sleep::Sleep, state::GroupId};
use crate::clock::Rate;

/// One process of a simulation: a clock of its own, and tasks that can be frozen.
///
/// Give it to a redlock as its runtime. Clones are handles to the same process.
#[derive(Clone)]
pub struct SimClient {
    core: Arc<Core>,
    group: GroupId,
}

impl SimClient {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        let group = core.state().add_group();
        Self { core: Arc::clone(core), group }
    }

    /// From now on its clock runs `rate` times as fast as true time. At 0 it stands still, and what
    /// is set by it then never fires, also if it runs again later.
    ///
    /// # Panics
    ///
    /// If the rate is negative, infinite or no number.
    #[track_caller]
    pub fn clock_rate(&self, rate: f64) {
        let rate = Rate::new(rate);
        self.core.state().set_rate(self.group, rate);
    }

    /// Its clock jumps ahead, and timers that are set do not: what a process sees of a machine that
    /// was suspended, whose clock counts that time.
    pub fn step_clock_forward(&self, by: Duration) {
        self.core.state().step_clock_forward(self.group, by);
    }

    /// For this long none of its tasks runs, while time and everybody else go on: a pause of the
    /// whole process, as by `SIGSTOP` or a long garbage collection.
    pub fn freeze(&self, by: Duration) {
        let until = self.core.state().now().after(by);
        self.core.freeze(self.group, until);
    }

    /// Runs a task as part of this process.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] after the simulation has been shut down.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
        self.core.spawn(self.group, Box::pin(task))
    }

    /// Runs a future as part of this process, and completes with what it comes to. It goes on when
    /// nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] after the simulation has been shut down.
    pub fn run<T, F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<T, NoRuntime>> + Send + 'static + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, result) = oneshot::channel();
        let spawned = self.spawn(async move {
            // Whoever does not wait does not want to know.
            let _ = sender.send(future.await);
        });
        async move {
            spawned?;
            result.await.map_err(|_| NoRuntime)
        }
    }

    /// Completes when this much time has passed by its clock.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the timer.
    pub fn sleep(&self, by: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        let deadline = self.core.state().client_now(self.group).after(by);
        Sleep::new(&self.core, self.group, deadline)
    }

    /// This process as the port.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Runtime> {
        Arc::new(self.clone())
    }

    /// What its clock shows. Means nothing to another client, nor to true time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.core.read_clock(self.group)
    }

    /// When its clock shows `moment`, in true time, if its rate stays as it is.
    #[must_use]
    pub fn true_time(&self, moment: Moment) -> Moment {
        self.core.state().true_time(self.group, moment)
    }
}

impl Runtime for SimClient {
    fn now(&self) -> Moment {
        Self::now(self)
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(&self.core, self.group, deadline))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.core.spawn(self.group, task)
    }
}

impl fmt::Debug for SimClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimClient").field("process", &self.group).finish_non_exhaustive()
    }
}
