//! The port to time and tasks: [`Runtime`]; with the feature `tokio`, `TokioRuntime`, with the feature
//! `smol`, `SmolRuntime`.

#[cfg(any(feature = "smol", feature = "tokio"))]
mod missed;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;

use std::fmt;

use futures::future::BoxFuture;

use crate::proto::Moment;

#[cfg(feature = "smol")]
pub use self::smol::SmolRuntime;
#[cfg(feature = "tokio")]
pub use self::tokio::TokioRuntime;

/// What a lock needs from the program that it runs in: a clock, timers, and one background task.
///
/// Nothing in this crate reads a clock, sleeps or spawns except through this port, so a simulated
/// runtime makes every run repeatable.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The clock that decides about validity: monotonic, and at the rate of real time.
    ///
    /// It should count the time in which the machine is suspended: a clock that does not lets a
    /// holder who wakes up believe in a lock that its nodes have long forgotten.
    fn now(&self) -> Moment;

    /// Completes when [`now`](Self::now) has reached `deadline`, or a little later.
    ///
    /// A timer only wakes; every decision reads the clock again. It may be begun where one runtime
    /// runs and be gone on with where another does, when the first is idle or has ended: what a
    /// cancelled call leaves to the background does so.
    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()>;

    /// Runs a task in the background until it completes, or the runtime ends.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if there is nothing to run it on.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime>;
}

/// There is no runtime to run the clean-up task on, or one without timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no async runtime with timers is running here, which a lock needs, also for its clean-up")]
pub struct NoRuntime;
