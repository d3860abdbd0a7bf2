//! Tasks of one process that wait for one resource: their memory, and the time of a hand-over.

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::try_join_all;
use redlocks::{Redlock, testkit::MemoryNode};
use serde::Serialize;
use tokio::{runtime::Runtime, sync::Mutex, time::sleep};

use crate::{
    Failure, Settings,
    clock::Instant,
    report::{Report, Table, micros, times},
    samples::ratio,
    session::runtime,
};

/// So many who wait.
#[derive(Debug, Serialize)]
pub(super) struct Waited {
    tasks: usize,
    lock: Cost,
    mutex: Cost,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Cost {
    /// What is kept for one who waits, its task included.
    bytes: f64,
    hand_over: Duration,
}

pub(super) fn measure(settings: Settings) -> Result<Vec<Waited>, Failure> {
    let sizes: &[usize] = if settings.quick { &[100, 1_000] } else { &[100, 1_000, 10_000] };
    let runtime = runtime(settings.threads)?;
    let wait = |&tasks| {
        Ok(Waited { tasks, lock: of_lock(tasks, &runtime)?, mutex: of_mutex(tasks, &runtime)? })
    };
    sizes.iter().map(wait).collect()
}

fn of_lock(tasks: usize, runtime: &Runtime) -> Result<Cost, Failure> {
    let redlock = {
        let _inside = runtime.enter();
        Redlock::builder().nodes(MemoryNode::cluster(3)).build()?
    };
    let lock = Arc::new(redlock.lock("one for all").wait(PATIENCE));
    let first = runtime.block_on(lock.acquire())?;
    let turn = move || {
        let lock = Arc::clone(&lock);
        async move {
            lock.acquire().await?.release().await;
            Ok(())
        }
    };
    cost(tasks, runtime, turn, async { _ = first.release().await })
}

fn of_mutex(tasks: usize, runtime: &Runtime) -> Result<Cost, Failure> {
    let mutex = Arc::new(Mutex::new(()));
    let first = runtime.block_on(Arc::clone(&mutex).lock_owned());
    let turn = move || {
        let mutex = Arc::clone(&mutex);
        async move {
            drop(mutex.lock().await);
            Ok(())
        }
    };
    cost(tasks, runtime, turn, async { drop(first) })
}

/// All tasks wait for what one has; that one releases, and each gives it up at once.
fn cost<F>(
    tasks: usize,
    runtime: &Runtime,
    turn: impl Fn() -> F,
    release: impl Future<Output = ()>,
) -> Result<Cost, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut turns = Vec::with_capacity(tasks);
    let info = allocation_counter::measure(|| {
        runtime.block_on(async {
            turns.extend((0..tasks).map(|_| tokio::spawn(turn())));
            // By then they wait.
            sleep(SETTLE).await;
        });
    });
    if turns.iter().any(|turn| turn.is_finished()) {
        return Err("a task did not wait for a lock that was held".into());
    }
    let hand_over = runtime.block_on(async {
        let begun = Instant::now();
        release.await;
        for done in try_join_all(turns).await? {
            done?;
        }
        Ok::<_, Failure>(Instant::now().since(begun).div_f64(tasks as f64))
    })?;
    Ok(Cost { bytes: info.bytes_current as f64 / tasks as f64, hand_over })
}

pub(super) fn tell(all: &[Waited], report: &mut Report) -> Result<(), Failure> {
    let mut table = Table::new(
        "Tasks that wait for one resource over three nodes in memory, beside tokio's mutex",
        ["tasks", "bytes for one", "the mutex's", "hand-over, µs", "the mutex's", "×"],
    );
    for waited @ Waited { tasks, lock, mutex } in all {
        table.row([
            tasks.to_string(),
            format!("{:.0}", lock.bytes),
            format!("{:.0}", mutex.bytes),
            micros(lock.hand_over),
            micros(mutex.hand_over),
            times(ratio(lock.hand_over, mutex.hand_over)),
        ]);
        report.figures(waited)?;
    }
    report.table(table);
    Ok(())
}

/// By then all tasks wait.
const SETTLE: Duration = Duration::from_millis(200);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);
