use std::{
    future::{Future, poll_fn},
    panic::catch_unwind,
    pin::pin,
    sync::OnceLock,
    task::Poll,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use super::{
    NoRuntime, Runtime,
    missed::{known_missed, missed},
};
use crate::proto::Moment;

/// The tokio runtime that the caller runs on.
///
/// Its clock is tokio's, paused and advanced in tests that ask for that, and what that clock
/// misses: the time in which the machine is suspended, and what the wall clock has run ahead.
/// Timers stand still in a suspension; whoever wakes then reads the clock first. Made outside of a
/// runtime it picks up the first one that it is used on. Where the clean-up
/// would have to run on one that was built without `enable_time`, locking is [`NoRuntime`].
///
/// The renewals and the clean-up of a `Redlock` run on the runtime of its first acquire, and move to
/// another at the first call there after that one has ended: a program with several runtimes gives
/// each a `Redlock` of its own, or sees to it that the first is never idle for long.
#[derive(Debug, Default)]
pub struct TokioRuntime {
    /// Where to go when a timer is needed by a thread that is in no runtime.
    home: OnceLock<Handle>,
}

impl TokioRuntime {
    /// The runtime that the caller runs on, now or at first use.
    #[must_use]
    pub fn new() -> Self {
        let home = OnceLock::new();
        if let Ok(here) = Handle::try_current() {
            home.get_or_init(|| here);
        }
        Self { home }
    }

    fn handle(&self) -> Result<Handle, NoRuntime> {
        match Handle::try_current() {
            Ok(here) => {
                self.home.get_or_init(|| here.clone());
                Ok(here)
            }
            Err(_) => self.home.get().cloned().ok_or(NoRuntime),
        }
    }
}

impl Runtime for TokioRuntime {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn now(&self) -> Moment {
        let now = Instant::now();
        Moment::at(now.saturating_duration_since(origin())).after(missed(now.into_std()))
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        // What has been missed since somebody last read the clock is as if it were missed later, while
        // the timer waits.
        let deadline = origin().checked_add(deadline.before(known_missed()).since_origin());
        match (self.handle(), deadline) {
            (Ok(handle), Some(deadline)) => Box::pin(sleep_anywhere(handle, deadline)),
            // No clock reaches that far.
            (Ok(_), None) => Box::pin(std::future::pending()),
            // Nobody could wake whoever waits here, so the time is over at once.
            (Err(_), _) => Box::pin(std::future::ready(())),
        }
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let handle = self.handle()?;
        if !has_timers(&handle) {
            return Err(NoRuntime);
        }
        drop(handle.spawn(task));
        Ok(())
    }
}

/// Whether the runtime was built with `enable_time`. Of those that were not, tokio says so in a
/// panic, and nowhere else.
fn has_timers(handle: &Handle) -> bool {
    let _inside = handle.enter();
    catch_unwind(|| drop(sleep_until(origin()))).is_ok()
}

/// Sleeps on this runtime, or on that of whoever goes on with it: the timers of a runtime that has
/// ended panic, and those of an idle one wake nobody.
async fn sleep_anywhere(mut on: Handle, deadline: Instant) {
    loop {
        let sleep = {
            let _inside = on.enter();
            sleep_until(deadline)
        };
        let mut sleep = pin!(sleep);
        let moved_to = poll_fn(|cx| match Handle::try_current() {
            Ok(here) if here.id() != on.id() => Poll::Ready(Some(here)),
            _ => sleep.as_mut().poll(cx).map(|()| None),
        });
        match moved_to.await {
            Some(here) => on = here,
            None => return,
        }
    }
}

/// The origin of this process's moments: an hour before the first use, so that a clock that a test
/// advances or a moment a little before the first one stays on the right side of it.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
    })
}
