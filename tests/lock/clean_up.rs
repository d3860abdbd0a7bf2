//! What is finished and undone in the background: late votes, failed releases, hung nodes.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use crate::{
    custom::Custom,
    support::{MS, Nodes, SECOND},
};
use futures::FutureExt;
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::ReleaseOutcome;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_node_that_was_down_has_nothing_to_release_and_is_not_waited_for() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.memory(2).crash();
    let start = Instant::now();
    let release = redlock.lock("r").acquire().await.unwrap().release().await;
    assert!(release.is_released());
    drop(redlock.lock("r").acquire().await.unwrap());
    redlock.settled().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(nodes.memory(2).calls().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_is_repeated() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for node in 0..3 {
        let lost = [Fault::LoseRequest, Fault::LoseRequest];
        nodes.0[node].script(Operation::Release, lost);
    }
    let release = redlock.lock("r").acquire().await.unwrap().release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Unknown);
    assert_eq!(nodes.count_keys(), 3);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_straggler_joins_a_held_lock_and_is_released_with_it() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.script(2, Operation::Acquire, Fault::DelayRequest(30 * MS));
    let start = Instant::now();
    let guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "the slow node is not waited for");
    assert_eq!(nodes.count_keys(), 2);
    sleep(31 * MS).await;
    assert_eq!(nodes.count_keys(), 3, "its vote came in while the lock was held");
    guard.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_straggler_that_comes_after_the_release_is_released_too() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.script(2, Operation::Acquire, Fault::DelayRequest(30 * MS));
    let guard = redlock.lock("r").acquire().await.unwrap();
    let start = Instant::now();
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Released);
    assert_eq!(start.elapsed(), Duration::ZERO, "the slow node is not waited for");
    assert_eq!(nodes.memory(2).calls().release, 0, "a release must not overtake its acquire");
    nodes.assert_clean(&redlock).await;
    assert_eq!(nodes.memory(2).calls().release, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hung_during_a_whole_hold_is_cleaned_up_when_it_is_back() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.memory(2).hang();
    let guard = redlock.lock("r").acquire().await.unwrap();
    guard.release().await;
    sleep(400 * MS).await;
    nodes.memory(2).resume();
    nodes.assert_clean(&redlock).await;
}

/// A key that a call has set late lives on from there, and so does the try to undo it.
#[tokio::test(start_paused = true)]
async fn a_release_after_a_very_late_yes_is_repeated_for_as_long_as_the_key_may_live() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.memory(2).hang();
    redlock.lock("r").acquire().await.unwrap().release().await;
    sleep(1990 * MS).await;
    nodes.0[2].script(Operation::Release, [Fault::LoseRequest; 3]);
    nodes.memory(2).resume();
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_lock_is_released_more_than_once_too() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.0[2].script(Operation::Release, [Fault::LoseRequest; 2]);
    let lock = nodes.builder().build().unwrap().lock("r").ttl(40 * MS);
    let guard = lock.acquire().await.unwrap();
    let start = Instant::now();
    guard.release().await;
    while nodes.count_keys() > 0 {
        sleep(MS).await;
    }
    assert!(start.elapsed() < 30 * MS, "left to the ttl: {:?}", start.elapsed());
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_returns_is_given_up_in_the_end() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.script(2, Operation::Acquire, Fault::HangAfter);
    let guard = redlock.lock("r").acquire().await.unwrap();
    guard.release().await;
    let start = Instant::now();
    redlock.settled().await;
    assert!(start.elapsed() < 3 * SECOND, "{:?}", start.elapsed());
    assert_eq!(nodes.memory(2).calls().release, 1, "asked once more before it was given up");
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn settled_waits_for_what_was_under_way_and_not_for_what_comes_after() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.0[2].rule(|operation, _| match operation {
        Operation::Acquire => Fault::DelayReply(30 * MS),
        _ => Fault::None,
    });
    let busy = async {
        loop {
            // Each leaves the slow node to the reaper for longer than until the next one.
            redlock.lock("busy").acquire().await.unwrap().release().await;
            sleep(10 * MS).await;
        }
    };
    let settled = async {
        sleep(25 * MS).await;
        redlock.lock("r").acquire().await.unwrap().release().await;
        let start = Instant::now();
        redlock.settled().await;
        start.elapsed()
    };
    let took = tokio::select! {
        () = busy => unreachable!("it has no end"),
        took = settled => took,
        () = sleep(SECOND) => panic!("never settled, though nothing took longer than 30 ms"),
    };
    assert_eq!(took, 30 * MS);
}

/// What a waker does is not ours: it may poll, drop, or ask for anything.
#[tokio::test(start_paused = true)]
async fn whoever_is_woken_by_the_clean_up_may_use_the_redlock_at_once() {
    struct DropsAGuard(std::sync::Mutex<Option<redlocks::Guard>>);

    impl std::task::Wake for DropsAGuard {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }

    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("later").acquire().await.unwrap();
    let waker = Waker::from(Arc::new(DropsAGuard(std::sync::Mutex::new(Some(guard)))));
    drop(redlock.lock("r").acquire().await.unwrap());
    let mut settled = Box::pin(redlock.settled());
    assert!(settled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sleep(MS).await;
    assert!(settled.now_or_never().is_some());
    nodes.assert_clean(&redlock).await;
}

/// A call that waits, counted for as long as it lives.
struct Waits(Arc<AtomicU32>);

impl Waits {
    fn one_of(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_under_load_collects_a_bounded_number_of_clean_ups() {
    let nodes = Nodes::new(2);
    let waiting = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&waiting);
    let mute = Custom::new("mute", MemoryNode::named("behind"), move |_, _| {
        let waits = Waits::one_of(&count);
        async move {
            let _waits = waits;
            std::future::pending().await
        }
        .boxed()
    });
    let redlock = nodes.builder().node(mute).ttl(600 * SECOND).build().unwrap();
    for attempt in 0..15_000 {
        let guard = redlock.lock(format!("r{attempt}")).try_acquire().await.unwrap();
        // Half of them end in the one way, half in the other.
        if attempt % 2 == 0 {
            guard.release().await;
        }
        if attempt % 100 == 0 {
            sleep(10 * MS).await;
        }
    }
    sleep(5 * SECOND).await;
    let waiting = waiting.load(Ordering::Relaxed);
    assert!(waiting <= 10_001, "{waiting} calls wait for the node");
    assert_eq!(nodes.count_keys(), 0);

    // The others are waited for and asked again as ever.
    nodes.script(0, Operation::Release, Fault::LoseRequest);
    nodes.script(1, Operation::Acquire, Fault::DelayReply(50 * MS));
    nodes.script(1, Operation::Release, Fault::LoseRequest);
    redlock.lock("last").try_acquire().await.unwrap().release().await;
    sleep(2 * SECOND).await;
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_guards_dropped_at_once_are_all_released() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guards = vec![];
    for attempt in 0..12_000 {
        guards.push(redlock.lock(format!("r{attempt}")).try_acquire().await.unwrap());
    }
    for node in 0..3 {
        nodes.0[node].rule(|_, _| Fault::DelayRequest(200 * MS));
    }
    drop(guards);
    nodes.assert_clean(&redlock).await;
}
