//! A runtime of one's own, without any async runtime: threads, and an executor for one future.
//!
//! `cargo run --example own_runtime`

use std::{
    error::Error,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt, channel::oneshot, executor::block_on, future::BoxFuture};
use redlock_testkit::MemoryNode;
use redlocks::{Moment, NoRuntime, Redlock, Runtime};

/// One thread for all timers, and one for each task: a redlock has two.
#[derive(Debug)]
struct Threads {
    origin: Instant,
    timers: Sender<Timer>,
}

/// When to wake whom.
type Timer = (Instant, oneshot::Sender<()>);

impl Threads {
    fn start() -> Arc<Self> {
        let (timers, new) = channel();
        thread::spawn(move || keep_time(&new));
        Arc::new(Self { origin: Instant::now(), timers })
    }
}

impl Runtime for Threads {
    fn now(&self) -> Moment {
        Moment::at(self.origin.elapsed())
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        match self.origin.checked_add(deadline.since_origin()) {
            // The thread of the timers lives for as long as there is this sender.
            Some(at) => drop(self.timers.send((at, wake))),
            // No clock reaches that far.
            None => return std::future::pending().boxed(),
        }
        woken.map(drop).boxed()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        thread::Builder::new().spawn(|| block_on(task)).map(drop).map_err(|_| NoRuntime)
    }
}

fn keep_time(new: &Receiver<Timer>) {
    let mut timers: Vec<Timer> = Vec::new();
    loop {
        let now = Instant::now();
        for (_, wake) in timers.extract_if(.., |(at, wake)| *at <= now || wake.is_canceled()) {
            // An error: whoever waited has gone.
            let _ = wake.send(());
        }
        let next = timers.iter().map(|(at, _)| at.duration_since(now)).min();
        match new.recv_timeout(next.unwrap_or(Duration::from_secs(3600))) {
            Ok(timer) => timers.push(timer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Threads::start();
    let node = |label| MemoryNode::new(label, Arc::<Threads>::clone(&runtime));
    let nodes = ["a", "b", "c"].map(node);
    let ttl = Duration::from_secs(1);
    let builder = Redlock::builder().nodes(nodes.clone()).ttl(ttl);
    let redlock = builder.runtime(runtime).build()?;
    block_on(async {
        let guard = redlock.lock("orders:42").acquire().await?;
        thread::sleep(2 * ttl);
        println!("held for twice its ttl: {}", guard.is_valid());
        println!("{}", guard.release().await);

        let guard = redlock.lock("orders:43").acquire().await?;
        nodes[..2].iter().for_each(MemoryNode::crash_and_forget);
        nodes[..2].iter().for_each(MemoryNode::restart);
        println!("lost: {}", guard.lost().await);
        Ok(())
    })
}
