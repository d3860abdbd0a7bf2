//! What locks cost besides asking the nodes: allocations, readings of the clock, and memory for as
//! long as they are held or waited for.
//!
//! How often is exact, so that whatever adds one has to say so here; bytes, which a compiler may
//! lay out otherwise, may be a fifth more. Both are the same on every machine, as times are not.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use redlock_testkit::MemoryNode;
use redlocks::{Moment, NoRuntime, Observer, Redlock, RedlockBuilder, Runtime, TokioRuntime};
use tokio::runtime;

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
    bytes: u64,
    readings: u64,
}

impl Cost {
    /// Whether it is what was reached: as often, and no more than a fifth larger.
    fn is_within(self, reached: Self) -> bool {
        let Self { allocations, bytes, readings } = reached;
        self.allocations == allocations
            && self.readings == readings
            && self.bytes <= bytes + bytes / 5
    }
}

/// In paused time, on this thread.
fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What a hundred rounds of this cost over so many nodes, each.
fn cost(
    nodes: usize,
    settings: impl Fn(RedlockBuilder) -> RedlockBuilder,
    round: impl AsyncFn(&Redlock),
) -> Cost {
    let tokio = runtime();
    let clock = Arc::new(Counted::default());
    let redlock = tokio.block_on(async {
        let runtime = Arc::<Counted>::clone(&clock);
        let builder = Redlock::builder().nodes(MemoryNode::cluster(nodes)).runtime(runtime);
        settings(builder).build().unwrap()
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
    Cost {
        allocations: counted.count_total / ROUNDS,
        bytes: counted.bytes_total / ROUNDS,
        readings: readings / ROUNDS,
    }
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

/// As it comes.
fn alone(builder: RedlockBuilder) -> RedlockBuilder {
    builder
}

/// Somebody who looks at nothing.
#[derive(Debug)]
struct Blind;

impl Observer for Blind {}

fn observed(builder: RedlockBuilder) -> RedlockBuilder {
    builder.observer(Arc::new(Blind))
}

/// For each node two calls, and for each call two allocations: the future of the node, and the
/// call around it. The others are, once in a pair, the name of the resource, the turn in the queue,
/// what is asked for, what is held, and what the nodes have said, of which there are two.
#[test]
fn a_pair_costs_what_it_did() {
    for (nodes, allocations, bytes, readings) in
        [(1, 10, 1_846, 3), (3, 18, 3_958, 4), (5, 26, 6_070, 5)]
    {
        let reached = Cost { allocations, bytes, readings };
        let cost_of = |nodes, settings: fn(RedlockBuilder) -> RedlockBuilder| {
            cost(nodes, settings, taken_and_released)
        };
        let pair = cost_of(nodes, alone);
        assert!(pair.is_within(reached), "{nodes} nodes: {pair:?}, and not {reached:?}");
        // What is not within it: somebody who looks on, and one node more.
        let watched = cost_of(nodes, observed);
        assert!(!watched.is_within(reached), "{nodes} nodes: {watched:?}");
        let larger = cost_of(nodes + 1, alone);
        assert!(!larger.is_within(reached), "{nodes} nodes and one: {larger:?}");
    }
}

#[test]
fn what_is_done_with_a_lock_costs_what_it_did() {
    let is = |cost: Cost, allocations, bytes, readings| {
        let reached = Cost { allocations, bytes, readings };
        assert!(cost.is_within(reached), "{cost:?}, and not {reached:?}");
    };
    is(cost(3, alone, taken_and_dropped), 24, 6_090, 8);
    is(cost(3, alone, taken_in_vain), 31, 6_166, 8);
    is(cost(3, alone, extended), 26, 5_710, 9);
}

#[test]
fn who_is_observed_pays_and_that_is_seen() {
    let (with, without) =
        (cost(3, observed, taken_and_released), cost(3, alone, taken_and_released));
    assert!(with.allocations > without.allocations, "{with:?}, {without:?}");
    assert!(with.bytes > without.bytes, "{with:?}, {without:?}");
    assert!(with.readings > without.readings, "{with:?}, {without:?}");
}

/// What each of many takes up for as long as it is there, the nodes in memory included.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// For a hundred of them: tables and trees are shared.
    allocations: i64,
    bytes: i64,
}

impl Room {
    fn of_each(measured: &allocation_counter::AllocationInfo) -> Self {
        let allocations = measured.count_current * 100 / MANY as i64;
        Self { allocations, bytes: measured.bytes_current / MANY as i64 }
    }

    /// Whether it is what was reached: hardly ever more often, and no more than a fifth larger.
    fn is_within(self, reached: Self) -> bool {
        let Self { allocations, bytes } = reached;
        self.allocations <= allocations + allocations / 20 && self.bytes <= bytes + bytes / 5
    }
}

fn many(settings: impl Fn(RedlockBuilder) -> RedlockBuilder) -> Redlock {
    settings(Redlock::builder().nodes(MemoryNode::cluster(3))).build().unwrap()
}

/// What each of many held locks takes up.
fn held(settings: impl Fn(RedlockBuilder) -> RedlockBuilder) -> Room {
    let tokio = runtime();
    let redlock = tokio.block_on(async { many(settings) });
    let mut guards = Vec::with_capacity(MANY);
    let measured = allocation_counter::measure(|| {
        tokio.block_on(async {
            for number in 0..MANY {
                guards.push(redlock.lock(format!("r{number:06}")).acquire().await.unwrap());
            }
        });
    });
    let room = Room::of_each(&measured);
    let left = allocation_counter::measure(|| {
        tokio.block_on(async {
            drop(guards);
            redlock.settled().await;
        });
    });
    // All but the vector of the guards, the tables that have grown, and what is made once.
    let given_back = -left.count_current;
    assert!(given_back >= measured.count_current - 20, "{given_back} given back of {measured:?}");
    room
}

/// What each of many takes up who wait for one lock.
fn queued(settings: impl Fn(RedlockBuilder) -> RedlockBuilder) -> Room {
    let tokio = runtime();
    let redlock = tokio.block_on(async { many(settings) });
    let guard = tokio.block_on(redlock.lock("r").acquire()).unwrap();
    let mut waiting = Vec::with_capacity(MANY);
    let measured = allocation_counter::measure(|| {
        tokio.block_on(async {
            for _ in 0..MANY {
                let lock = redlock.lock("r").wait(Duration::from_secs(60));
                let mut acquired = async move { lock.acquire().await }.boxed();
                assert!(futures::poll!(&mut acquired).is_pending());
                waiting.push(acquired);
            }
        });
    });
    let _inside = tokio.enter();
    drop((waiting, guard));
    Room::of_each(&measured)
}

#[test]
fn what_is_larger_or_more_often_is_refused() {
    let reached = Cost { allocations: 10, bytes: 100, readings: 3 };
    assert!(reached.is_within(reached) && Cost { bytes: 120, ..reached }.is_within(reached));
    assert!(!Cost { bytes: 121, ..reached }.is_within(reached));
    assert!(!Cost { allocations: 11, ..reached }.is_within(reached));
    assert!(!Cost { readings: 4, ..reached }.is_within(reached));
    // What has become less is to be told as well, or nobody would keep it so.
    assert!(!Cost { allocations: 9, ..reached }.is_within(reached));
    let reached = Room { allocations: 400, bytes: 1_000 };
    assert!(Room { allocations: 420, bytes: 1_200 }.is_within(reached));
    assert!(!Room { allocations: 421, ..reached }.is_within(reached));
    assert!(!Room { bytes: 1_201, ..reached }.is_within(reached));
}

#[test]
fn a_held_lock_takes_up_what_it_did() {
    let reached = Room { allocations: 464, bytes: 1_348 };
    let room = held(alone);
    assert!(room.is_within(reached), "{room:?}, and not {reached:?}");
    let watched = held(observed);
    assert!(!watched.is_within(reached), "{watched:?}");
}

#[test]
fn who_waits_takes_up_what_he_did() {
    let reached = Room { allocations: 416, bytes: 4_082 };
    let room = queued(alone);
    assert!(room.is_within(reached), "{room:?}, and not {reached:?}");
    let watched = queued(observed);
    assert!(!watched.is_within(reached), "{watched:?}");
}

const ROUNDS: u64 = 100;
const MANY: usize = 1000;
