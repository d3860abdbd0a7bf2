//! What a lock costs besides asking the nodes: allocations, and readings of the clock. Exact, so
//! that whatever adds one has to say so here.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use redlock_testkit::MemoryNode;
use redlocks::{Moment, NoRuntime, Observer, Redlock, RedlockBuilder, Runtime, TokioRuntime};

/// Counts how often the clock is read.
#[derive(Debug, Default)]
struct Counted {
    runtime: TokioRuntime,
    readings: AtomicU64,
}

impl Runtime for Counted {
    fn now(&self) -> Moment {
        self.readings.fetch_add(1, Ordering::Relaxed);
        self.runtime.now()
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        self.runtime.sleep_until(deadline)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.runtime.spawn(task)
    }
}

/// What something costs each time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    allocations: u64,
    readings: u64,
}

/// What a hundred rounds of this cost, in tokio's paused time, each.
fn cost(
    settings: impl Fn(RedlockBuilder) -> RedlockBuilder,
    round: impl AsyncFn(&Redlock),
) -> Cost {
    let mut tokio = tokio::runtime::Builder::new_current_thread();
    let tokio = tokio.enable_time().start_paused(true).build().unwrap();
    let clock = Arc::new(Counted::default());
    let redlock = tokio.block_on(async {
        let nodes = ["a", "b", "c"].map(MemoryNode::named);
        let runtime = Arc::<Counted>::clone(&clock);
        settings(Redlock::builder().nodes(nodes).runtime(runtime)).build().unwrap()
    });
    let rounds = |times| {
        tokio.block_on(async {
            for _ in 0..times {
                round(&redlock).await;
                redlock.settled().await;
            }
        });
    };
    // What is made once has been made by then, and tables have grown.
    rounds(ROUNDS);
    let before = clock.readings.load(Ordering::Relaxed);
    let counted = allocation_counter::measure(|| rounds(ROUNDS));
    let readings = clock.readings.load(Ordering::Relaxed) - before;
    Cost { allocations: counted.count_total / ROUNDS, readings: readings / ROUNDS }
}

async fn taken_and_released(redlock: &Redlock) {
    redlock.lock("r").acquire().await.unwrap().release().await;
}

async fn taken_and_dropped(redlock: &Redlock) {
    drop(redlock.lock("r").acquire().await.unwrap());
}

async fn taken_in_vain(redlock: &Redlock) {
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.lock("r").try_acquire().await.unwrap_err();
    guard.release().await;
}

async fn extended(redlock: &Redlock) {
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    guard.extend(Duration::from_secs(20)).await.unwrap();
    guard.release().await;
}

/// Allocations are as many as before the driver could be observed in any detail, readings of the
/// clock fewer: they may fall, and then so do the bounds.
#[test]
fn who_is_not_observed_pays_nothing_for_it() {
    let alone = |builder| builder;
    let at_most = |cost: Cost, allocations, readings| {
        let bound = Cost { allocations, readings };
        let holds = cost.allocations <= allocations && cost.readings <= readings;
        assert!(holds, "{cost:?}, and not {bound:?} at most");
    };
    at_most(cost(alone, taken_and_released), 27, 8);
    at_most(cost(alone, taken_and_dropped), 37, 10);
    at_most(cost(alone, taken_in_vain), 49, 12);
    at_most(cost(alone, extended), 37, 13);
}

/// Somebody who looks at nothing.
#[derive(Debug)]
struct Blind;

impl Observer for Blind {}

#[test]
fn who_is_observed_pays_and_that_is_seen() {
    let observed = |builder: RedlockBuilder| builder.observer(Arc::new(Blind));
    let (with, without) =
        (cost(observed, taken_and_released), cost(|builder| builder, taken_and_released));
    assert!(with.allocations > without.allocations, "{with:?}, {without:?}");
    assert!(with.readings > without.readings, "{with:?}, {without:?}");
    println!("observed {with:?}, alone {without:?}");
}

const ROUNDS: u64 = 100;
