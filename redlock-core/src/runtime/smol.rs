use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use smol::Timer;

use super::{
    NoRuntime, Runtime,
    missed::{known_missed, missed, read_clock},
};
use crate::proto::Moment;

/// The global executor of [smol](https://docs.rs/smol), which is always there: it starts its threads
/// when it is first used. So locks work wherever a future is polled, under `smol::block_on` or any
/// other executor, and their clean-up goes on when that has ended.
///
/// To be given to [`RedlockBuilder::runtime`](crate::RedlockBuilder::runtime); with both runtimes
/// compiled in, tokio is what is taken if nothing is said. Nodes may need a runtime of their own:
/// those over the `redis` and `fred` crates need tokio.
///
/// Its clock is [`std::time::Instant`], and what that clock misses: the time in which the machine is
/// suspended, and what the wall clock has run ahead. Timers stand still in a suspension; whoever
/// wakes then reads the clock first.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmolRuntime;

impl SmolRuntime {
    /// The global executor.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Runtime for SmolRuntime {
    fn now(&self) -> Moment {
        let now = read_clock();
        Moment::at(now.saturating_duration_since(origin())).after(missed(now))
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        // What has been missed since somebody last read the clock is as if it were missed later, while
        // the timer waits.
        match origin().checked_add(deadline.before(known_missed()).since_origin()) {
            Some(deadline) => Timer::at(deadline).map(drop).boxed(),
            // No clock reaches that far.
            None => std::future::pending().boxed(),
        }
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        smol::spawn(task).detach();
        Ok(())
    }
}

/// The origin of this process's moments: an hour before the first use, so that a moment a little
/// before the first one stays on the right side of it.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = read_clock();
        now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
    })
}
