//! Virtual time: [`SimRuntime`], and what runs on it.

mod client;
mod core;
mod line;
mod link;
mod log;
mod network;
mod ready;
mod sleep;
mod state;

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use redlock_core::{Moment, NoRuntime, Runtime};

pub use self::{
    client::SimClient,
    link::SimLink,
    network::{Network, SimCluster},
};
use self::{
    core::{Core, Step},
    sleep::Sleep,
    state::MAIN_GROUP,
};
use crate::SimRandom;

/// An async runtime in virtual time, on the calling thread, in which everything follows from a
/// seed. Of a redlock that is so only if it has its chance from there too: without
/// [`random`](redlock_core::RedlockBuilder::random) it asks the operating system for its tokens and
/// for how long it waits before it tries again.
///
/// When no task can go on, time jumps to the next timer: an hour of waiting costs nothing. Which
/// of several ready tasks is polled next, and which of several timers of one moment fires first,
/// is drawn from the seed; so a run can be repeated exactly, and another seed is another
/// interleaving.
///
/// * [`block_on`](Self::block_on) and [`run_until_idle`](Self::run_until_idle) run it; nothing
///   happens otherwise.
/// * [`client`](Self::client) makes a part of the program that can be frozen and has a clock of its
///   own, as another process would.
/// * [`after_each_step`](Self::after_each_step) watches invariants.
/// * [`log_hash`](Self::log_hash) sums up all that happened: equal hashes, equal runs.
///
/// Clones are handles to the same runtime. Tasks that wait for ever keep it in memory until
/// [`shut_down`](Self::shut_down).
///
/// ```
/// use std::time::Duration;
///
/// use redlock_testkit::SimRuntime;
///
/// let sim = SimRuntime::new(7);
/// let start = sim.now();
/// sim.block_on(sim.sleep(Duration::from_secs(3600)));
/// assert_eq!(sim.now().since(start), Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct SimRuntime(Arc<Core>);

impl SimRuntime {
    /// A runtime whose every decision follows from `seed`. Its clock starts at an hour.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Core::new(seed)))
    }

    /// Each step takes a random time of up to `longest`, none by default.
    ///
    /// Without it all that happens between two timers happens in one moment.
    pub fn step_time(&self, longest: Duration) {
        self.0.state().step_time = longest;
    }

    /// Each reading of a [client's](Self::client) clock is followed by a pause of the whole
    /// process with this probability, as if it had been descheduled just then. None by default.
    pub fn stalls(&self, probability: f64, longest: Duration) {
        self.0.state().stalls = (probability, longest);
    }

    /// Calls `hook` after every step: a poll of a task, or something scheduled. A hook that panics
    /// ends the run.
    ///
    /// Clocks read inside of it do not [stall](Self::stalls).
    pub fn after_each_step(&self, hook: impl FnMut() + Send + 'static) {
        self.0.add_hook(Box::new(hook));
    }

    /// Runs the runtime until `future` completes, and returns what it came to.
    ///
    /// Tasks that are not done by then stay, and go on with the next call.
    ///
    /// # Panics
    ///
    /// If everything waits and no timer is left that could wake anything, or if a task panics.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let (task, waker) = self.0.register_main();
        let mut context = Context::from_waker(&waker);
        loop {
            match self.0.step(Some(task)) {
                Step::Main => {
                    let poll = future.as_mut().poll(&mut context);
                    self.0.after_step();
                    if let Poll::Ready(output) = poll {
                        return output;
                    }
                }
                Step::Done => {}
                Step::Idle => panic!("everything waits, and no timer is left to wake anything"),
            }
        }
    }

    /// Runs until no task can go on and no timer is left.
    ///
    /// # Panics
    ///
    /// If a task panics.
    pub fn run_until_idle(&self) {
        while self.0.step(None) != Step::Idle {}
    }

    /// Runs for this long, and leaves the clock exactly there.
    ///
    /// # Panics
    ///
    /// If a task panics.
    pub fn advance(&self, by: Duration) {
        let end = self.now().after(by);
        while self.0.next_at().is_some_and(|next| next <= end) {
            self.0.step(None);
        }
        self.0.state().move_to(end);
    }

    /// Looks at something in an instant: clocks read inside do not [stall](Self::stalls).
    pub fn at_once<T>(&self, look: impl FnOnce() -> T) -> T {
        self.0.observe(look)
    }

    /// Calls `call` at this moment, or now if it has passed, as a step of its own.
    pub fn at(&self, moment: Moment, call: impl FnOnce() + Send + 'static) {
        self.0.call_at(moment, Box::new(call));
    }

    /// Runs a task in the background.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] after [`shut_down`](Self::shut_down).
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
        self.0.spawn(MAIN_GROUP, Box::pin(task))
    }

    /// Completes when this much time has passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the timer.
    pub fn sleep(&self, by: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        Sleep::new(&self.0, MAIN_GROUP, self.now().after(by))
    }

    /// A part of the program with a clock of its own, which can be frozen: another process.
    #[must_use]
    pub fn client(&self) -> SimClient {
        SimClient::new(&self.0)
    }

    /// This runtime as the port.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Runtime> {
        Arc::new(self.clone())
    }

    /// True time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.0.state().now()
    }

    /// The chance that everything follows from. What is drawn from it is part of the run. To a redlock
    /// give one of its own, `SimRandom::new(sim.random().number())`.
    #[must_use]
    pub fn random(&self) -> &SimRandom {
        self.0.random()
    }

    /// Writes something into the log: it becomes part of the [hash](Self::log_hash), and of the
    /// [lines](Self::log_lines) if those are kept.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        self.0.note(what);
    }

    /// Writes something into the lines of the log only, if they are kept.
    pub(crate) fn remark(&self, what: fmt::Arguments<'_>) {
        self.0.remark(what);
    }

    /// Keeps the log as text, for reading after a failure. Costs time.
    pub fn keep_log(&self) {
        self.0.state().log.keep();
    }

    /// The text of the log, if it is [kept](Self::keep_log).
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        self.0.state().log.lines().to_vec()
    }

    /// A hash over every step and note so far: runs with equal hashes went the same way.
    #[must_use]
    pub fn log_hash(&self) -> u64 {
        self.0.state().log.hash()
    }

    /// How much time has passed in [stalls](Self::stalls).
    #[must_use]
    pub fn stalled(&self) -> Duration {
        self.0.state().stalled
    }

    /// How many steps there have been.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.state().steps()
    }

    /// Drops all tasks, timers and hooks. Nothing can be spawned after this.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Moment {
        Self::now(self)
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(&self.0, MAIN_GROUP, deadline))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.0.spawn(MAIN_GROUP, task)
    }
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimRuntime").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
