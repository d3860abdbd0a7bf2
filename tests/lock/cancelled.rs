//! Every call, dropped at every one of its polls, leaves no key on any node.

use std::{
    future::Future,
    task::{Context, Poll, Waker},
};

use crate::support::{MS, Nodes, SECOND};
use futures::FutureExt;
use redlock_testkit::{CacheFault, Fault, MemoryCache, Operation};
use tokio::time::sleep;

/// For every number of polls: poll that often, drop, and look.
async fn cancel_everywhere<T, F: Future<Output = T>>(
    mut begin: impl AsyncFnMut() -> (Nodes, redlocks::Redlock),
    run: impl Fn(redlocks::Redlock) -> F,
) -> usize {
    for polls in 0.. {
        let (nodes, redlock) = begin().await;
        let mut future = Box::pin(run(redlock.clone()));
        let mut done = false;
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                drop(result);
                done = true;
                break;
            }
            // Just far enough for the next thing to happen.
            sleep(MS).await;
        }
        drop(future);
        nodes.assert_clean(&redlock).await;
        if done {
            return polls;
        }
    }
    unreachable!("a future ends")
}

/// Three nodes whose calls take a few milliseconds, each a different time.
async fn slow_nodes() -> (Nodes, redlocks::Redlock) {
    let nodes = Nodes::new(3);
    for (node, delay) in [(0, 3 * MS), (1, 5 * MS), (2, 9 * MS)] {
        nodes.0[node].rule(move |operation, _| match operation {
            Operation::Acquire => Fault::DelayReply(delay),
            _ => Fault::DelayRequest(delay),
        });
    }
    let redlock = nodes.redlock();
    (nodes, redlock)
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_acquire() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        redlock.lock("r").acquire().await
    });
    assert!(polls.await > 3);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_a_failing_acquire_within() {
    let occupied = async || {
        let (nodes, redlock) = slow_nodes().await;
        nodes.occupy([0, 2], "r", 60 * MS).await;
        (nodes, redlock)
    };
    let polls = cancel_everywhere(occupied, async |redlock: redlocks::Redlock| {
        redlock.lock("r").acquire_within(300 * MS).await
    });
    assert!(polls.await > 10);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_extend_and_release() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        let mut guard = redlock.lock("r").acquire().await.unwrap();
        guard.extend(SECOND).await.unwrap();
        guard.release().await
    });
    assert!(polls.await > 10);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_run() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        redlock.lock("r").run(async |_| sleep(5 * MS).await).await.unwrap();
    });
    assert!(polls.await > 10);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_a_computation() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        let cache = MemoryCache::on_tokio();
        cache.fault_reads(CacheFault::Delay(2 * MS));
        cache.fault_writes(CacheFault::Delay(2 * MS));
        let asked = redlock.get_or_compute(&cache, "r", SECOND);
        let found = asked.run(async || {
            sleep(5 * MS).await;
            Ok::<_, &str>(String::from("value"))
        });
        found.await.unwrap();
    });
    assert!(polls.await > 10);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_waiting_for_a_computation() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        let cache = MemoryCache::on_tokio();
        let get = || {
            redlock.get_or_compute(&cache, "r", SECOND).run(async || {
                sleep(20 * MS).await;
                Ok::<_, &str>(String::from("value"))
            })
        };
        let (one, two, three) = tokio::join!(get(), get(), get());
        let all = [one, two, three];
        assert_eq!(all.iter().flatten().filter(|found| found.is_computed()).count(), 1);
    });
    assert!(polls.await > 20);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_adopt_and_of_the_release_of_a_lease() {
    let polls = cancel_everywhere(slow_nodes, async |redlock: redlocks::Redlock| {
        let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
        // Whoever is cancelled with a lease in hand has it, and so must release it.
        let give_back = |lease: redlocks::Lease| {
            let redlock = redlock.clone();
            GiveBack { redlock: Some(redlock), lease }
        };
        let back = give_back(lease.clone());
        let lease = redlock.adopt(&lease).await.unwrap().into_lease();
        let lease = redlock.extend(&lease, SECOND).await.unwrap();
        redlock.release(&lease).await;
        drop(back);
    });
    assert!(polls.await > 10);
}

/// Releases a lease when it is dropped, in a task of its own.
struct GiveBack {
    redlock: Option<redlocks::Redlock>,
    lease: redlocks::Lease,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if let Some(redlock) = self.redlock.take() {
            // Begun and dropped: the reaper does the rest.
            let _ = redlock.release(&self.lease).now_or_never();
        }
    }
}
