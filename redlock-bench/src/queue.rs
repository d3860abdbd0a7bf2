//! A thousand tasks of one process for one resource, beside a plain mutex.

use std::{cell::RefCell, num::NonZeroUsize, pin::pin, time::Duration};

use futures::future::{Either, join, select, try_join_all};
use serde::Serialize;
use tokio::{
    runtime,
    sync::Mutex,
    time::{Instant as Deadline, sleep, timeout_at},
};

use crate::{
    Failure, Settings,
    client::{Held, Kind, LockClient, over_memory},
    clock::Instant,
    hold::hold,
    machine::Machine,
    report::{Report, Table, millis, percent},
    topology::Topology,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let (rounds, limit) = if settings.quick { (1, QUICK) } else { (3, FULL) };
    let topology = Topology::start(3)?;
    let machine = Machine::look(&topology.servers[0])?;
    let mut report = {
        // The order in which tasks of several threads ask is not known.
        let settings = Settings { threads: NonZeroUsize::MIN, ..settings };
        Report::new("A queue in one process", settings, machine)
    };
    let mut table = Table::new(
        "1,000 tasks of one process, in the order in which they asked",
        [
            "",
            "hold",
            "round",
            "got it",
            "in order",
            "furthest overtaken",
            "per second",
            "the mutex's",
            "part of the mutex's",
            "longest wait",
        ],
    );
    for round in 1..=rounds {
        for length in [Duration::ZERO, Duration::from_millis(1)] {
            let mutex = run(&Locker::Mutex, length, limit)?;
            for over in [Over::Memory, Over::Servers] {
                let client = || over.client(&topology);
                let seen = run(&Locker::Client(&client), length, limit)?;
                table.row([
                    over.name().to_owned(),
                    millis(length),
                    round.to_string(),
                    seen.order.len().to_string(),
                    if seen.overtaken() == 0 { "yes" } else { "**no**" }.to_owned(),
                    seen.overtaken().to_string(),
                    format!("{:.0}", seen.per_second()),
                    format!("{:.0}", mutex.per_second()),
                    percent(seen.per_second() / mutex.per_second()),
                    millis(seen.took),
                ]);
                report.figures(&Figures { over, hold: length, seen, mutex: mutex.clone() })?;
            }
        }
    }
    report.table(table);
    Ok(report)
}

/// What the lock of this project goes over.
#[derive(Clone, Copy, Debug, Serialize)]
enum Over {
    Memory,
    Servers,
}

impl Over {
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "3 nodes in memory",
            Self::Servers => "3 servers",
        }
    }

    fn client(self, topology: &Topology) -> Result<Box<dyn LockClient>, Failure> {
        match self {
            Self::Memory => over_memory(3),
            Self::Servers => Kind::Ours.client(&topology.urls),
        }
    }
}

/// What the tasks want. A client is made inside of the runtime that it is used on.
enum Locker<'a> {
    Mutex,
    Client(&'a dyn Fn() -> Result<Box<dyn LockClient>, Failure>),
}

/// In which order tasks got the lock.
#[derive(Clone, Debug, Serialize)]
struct Seen {
    order: Vec<usize>,
    took: Duration,
}

impl Seen {
    fn per_second(&self) -> f64 {
        self.order.len() as f64 / self.took.as_secs_f64()
    }

    /// By how many later ones a task was overtaken, at most.
    ///
    /// A task that never got it was overtaken by all later ones that did.
    fn overtaken(&self) -> usize {
        let place = |task| self.order.iter().position(|other| *other == task);
        let by = |task: usize| {
            let before = &self.order[..place(task).unwrap_or(self.order.len())];
            before.iter().filter(|other| **other > task).count()
        };
        (0..TASKS).map(by).max().unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Figures {
    over: Over,
    hold: Duration,
    seen: Seen,
    mutex: Seen,
}

/// All tasks ask in order while another one has it; that one releases, and then it goes on until
/// all had it or the time is over.
fn run(locker: &Locker<'_>, length: Duration, limit: Duration) -> Result<Seen, Failure> {
    // Of one thread, so that tasks ask in the order in which they are made.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match locker {
            Locker::Mutex => {
                let mutex = Mutex::new(());
                let lock = async || Ok(mutex.lock().await);
                queue(lock, async |guard| drop(guard), length, limit).await
            }
            Locker::Client(make) => {
                let client = make()?;
                client.acquire("warm-up").await?.release().await;
                let lock = async || client.acquire("queue").await;
                let unlock = async |held: Box<dyn Held>| _ = held.release().await;
                let seen = queue(lock, unlock, length, limit).await;
                client.settled().await;
                seen
            }
        }
    })
}

async fn queue<L>(
    lock: impl AsyncFn() -> Result<L, Failure>,
    unlock: impl AsyncFn(L),
    length: Duration,
    limit: Duration,
) -> Result<Seen, Failure> {
    let order = RefCell::new(Vec::with_capacity(TASKS));
    let first = lock().await?;
    let deadline = Deadline::now() + ALL_ASK + limit;
    let turn = async |task| {
        let held = lock().await?;
        order.borrow_mut().push(task);
        hold(length).await;
        unlock(held).await;
        Ok::<(), Failure>(())
    };
    let turns = (0..TASKS).map(async |task| match timeout_at(deadline, turn(task)).await {
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(())) | Err(_) => Ok(()),
    });
    let mut all = pin!(try_join_all(turns));
    if let Either::Left((failed, _)) = select(&mut all, pin!(sleep(ALL_ASK))).await {
        failed?;
        return Err("tasks got a lock that was held".into());
    }
    let begun = Instant::now();
    let (_, failed) = join(unlock(first), all).await;
    failed?;
    let took = Instant::now().since(begun);
    Ok(Seen { order: order.take(), took })
}

/// By then all tasks have asked.
const ALL_ASK: Duration = Duration::from_millis(50);
const TASKS: usize = 1000;
const FULL: Duration = Duration::from_secs(20);
const QUICK: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn overtaken(order: impl IntoIterator<Item = usize>) -> usize {
        Seen { order: order.into_iter().collect(), took: Duration::ZERO }.overtaken()
    }

    #[test]
    fn who_is_overtaken_is_seen() {
        assert_eq!(overtaken(0..TASKS), 0);
        assert_eq!(overtaken((1..TASKS).chain([0])), TASKS - 1);
        assert_eq!(overtaken([0, 1, 2]), 0, "the time was over, in order");
        assert_eq!(overtaken([0, 2]), 1, "the one in the middle never got it");
    }

    #[test]
    fn a_mutex_keeps_the_order() {
        let seen = run(&Locker::Mutex, Duration::ZERO, QUICK).unwrap();
        assert_eq!((seen.order.len(), seen.overtaken()), (TASKS, 0));
    }
}
