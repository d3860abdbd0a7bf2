//! Every way in which an attempt can end, and that none leaves a key on any node.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use crate::{
    custom::Custom,
    support::{MS, Nodes, SECOND, VALIDITY},
};
use futures::FutureExt;
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{Delivery, Error, FailureKind, ReleaseOutcome, Retry, Vote};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn granted_and_released() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(nodes.count_keys(), 5);
    assert_eq!(guard.remaining(), VALIDITY);
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Released);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn refused_by_a_holder_of_the_quorum() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1, 2], "r", SECOND).await;
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    // Before it returned: the next attempt must not meet the votes of this one.
    assert_eq!(nodes.tokens("r").iter().filter(|token| token.is_some()).count(), 3);
    nodes.vacate([0, 1, 2], "r").await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn impossible_because_nodes_failed() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    for node in [1, 3, 4] {
        nodes.memory(node).crash();
    }
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn granted_but_every_reply_lost() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::LoseReply);
    }
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_reached_no_node_is_not_followed_by_a_release() {
    let nodes = Nodes::new(1);
    let redlock = nodes.redlock();
    let fault = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };
    nodes.script(0, Operation::Acquire, fault);
    redlock.lock("r").try_acquire().await.unwrap_err();
    redlock.settled().await;
    assert_eq!(nodes.memory(0).calls().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn granted_when_the_validity_was_over() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(10 * MS));
    }
    let lock = redlock.lock("r");
    let mut attempt = pin!(lock.try_acquire());
    assert!((&mut attempt).now_or_never().is_none());
    // The process is paused; the answers are there when it goes on, before the end of the ttl.
    advance(VALIDITY + MS).await;
    let error = attempt.await.unwrap_err();
    assert!(matches!(error, Error::TooSlow(_)), "{error}");
    assert!(error.to_string().contains("no validity was left"), "{error}");
    assert_eq!(nodes.count_keys(), 0);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn out_of_patience_while_nodes_hang() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for node in 0..3 {
        nodes.memory(node).hang();
    }
    let start = Instant::now();
    let error = redlock.lock("r").acquire_within(20 * MS).await.unwrap_err();
    assert_eq!(start.elapsed(), 20 * MS);
    let Error::TimedOut { last, patience, .. } = &error else { panic!("{error}") };
    assert_eq!(*patience, 20 * MS);
    assert!(matches!(**last, Error::Unavailable(_)), "{error}");
    assert!(!error.is_contended());
    // The nodes come back, carry out what they were sent, and are asked to undo it.
    for node in 0..3 {
        nodes.memory(node).resume();
    }
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn out_of_patience_while_somebody_else_has_the_lock() {
    let nodes = Nodes::new(3);
    let _held = nodes.redlock().lock("r").acquire().await.unwrap();
    let another = nodes.redlock();
    let refused = another.lock("r").try_acquire().await.unwrap_err();
    let gave_up = another.lock("r").acquire_within(20 * MS).await.unwrap_err();
    assert!(matches!(refused, Error::Contended(_)), "{refused}");
    assert!(matches!(gave_up, Error::TimedOut { .. }), "{gave_up}");
    assert!(refused.is_contended() && gave_up.is_contended());
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_dropped_here_or_on_a_thread_without_a_runtime() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    drop(redlock.lock("r").acquire().await.unwrap());
    nodes.assert_clean(&redlock).await;

    let guard = redlock.lock("r").acquire().await.unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    nodes.assert_clean(&redlock).await;

    let guard = redlock.lock("r").acquire().await.unwrap();
    let panicked = std::thread::spawn(move || {
        let _guard = guard;
        panic!("while the guard is held");
    });
    panicked.join().unwrap_err();
    nodes.assert_clean(&redlock).await;
}

#[test]
fn a_guard_may_outlive_its_runtime_and_the_redlock_goes_on_in_the_next() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let first = runtime();
    let nodes = first.block_on(async { Nodes::new(3) });
    let redlock = nodes.redlock();
    let guard = first.block_on(async { redlock.lock("r").acquire().await.unwrap() });
    drop(first);
    // Nobody is left to release it; the ttl will.
    drop(guard);
    assert_eq!(nodes.count_keys(), 3);

    let second = runtime();
    second.block_on(async {
        drop(redlock.lock("other").acquire().await.unwrap());
        redlock.settled().await;
        assert_eq!(nodes.tokens("other"), [None, None, None]);
    });
}

#[test]
fn without_a_runtime_nothing_is_asked() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let error = futures::executor::block_on(redlock.lock("r").acquire()).unwrap_err();
    assert!(matches!(error, Error::NoRuntime(_)), "{error}");
    assert_eq!(nodes.memory(0).calls().total(), 0);
}

#[test]
fn without_timers_nothing_is_asked() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(redlock.lock("r").try_acquire()).unwrap_err();
    assert!(matches!(error, Error::NoRuntime(_)), "{error}");
    assert_eq!(nodes.memory(0).calls().total(), 0);
    // A runtime that has them is as good as any later on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { drop(redlock.lock("r").try_acquire().await.unwrap()) });
}

/// Before or after it has done what it was asked.
#[tokio::test(start_paused = true)]
async fn a_node_that_panics_costs_its_vote_and_is_cleaned_up() {
    for after in [false, true] {
        let nodes = Nodes::new(2);
        let memory = MemoryNode::named("behind");
        let acquires = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&acquires);
        let defect = Custom::new("panics", memory.clone(), move |operation, behind| {
            if operation != Operation::Acquire {
                return behind;
            }
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                if after {
                    behind.await?;
                    sleep(5 * MS).await;
                }
                panic!("a node with a defect");
            }
            .boxed()
        });
        let redlock = nodes.builder().node(defect).ttl(SECOND).build().unwrap();
        let guard = redlock.lock("r").acquire().await.unwrap();
        sleep(10 * MS).await;
        guard.release().await;
        nodes.assert_clean(&redlock).await;
        assert!(memory.keys().is_empty());

        nodes.memory(0).crash();
        let error = redlock.lock("r").try_acquire().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(error.to_string().ends_with("panics failed: the node panicked"), "{error}");
        nodes.memory(0).restart();
        nodes.assert_clean(&redlock).await;
        assert!(memory.keys().is_empty());
        assert_eq!(acquires.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_token_of_its_own() {
    let nodes = Nodes::new(1);
    let redlock = nodes.redlock();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let guard = redlock.lock("r").acquire().await.unwrap();
        assert_eq!(nodes.tokens("r"), [Some(guard.token().clone())]);
        assert!(seen.insert(guard.token().clone()));
        guard.release().await;
    }
}

#[tokio::test(start_paused = true)]
async fn validity_counts_from_the_attempt_that_succeeded() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", 300 * MS).await;
    let retry = Retry::fixed(100 * MS).jitter(0.0).unwrap();
    let start = Instant::now();
    let guard = redlock.lock("r").retry(retry).acquire().await.unwrap();
    assert!(start.elapsed() >= 300 * MS);
    assert_eq!(guard.remaining(), VALIDITY);
    drop(guard);
    nodes.assert_clean(&redlock).await;
}

#[test]
fn what_is_dropped_after_its_runtime_has_ended_polls_no_node() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let polled_elsewhere = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&polled_elsewhere);
    // Notes whether it is polled after the end of its runtime, which wakes its timers; they panic
    // when they are polled then.
    let behind = runtime.block_on(async { MemoryNode::named("behind") });
    let node = Custom::new("at home", behind, move |_, _| {
        let count = Arc::clone(&count);
        async move {
            let mut timer = pin!(sleep(SECOND));
            std::future::poll_fn(|context| {
                if tokio::runtime::Handle::try_current().is_err() {
                    count.fetch_add(1, Ordering::Relaxed);
                    return Poll::Pending;
                }
                timer.as_mut().poll(context)
            })
            .await;
            Ok(Vote::not_held())
        }
        .boxed()
    });
    let nodes = runtime.block_on(async { Nodes::new(2) });
    let redlock = nodes.builder().node(node).ttl(SECOND).build().unwrap();
    let mut guard = runtime.block_on(redlock.lock("held").acquire()).unwrap();
    for hung in [0, 1] {
        nodes.memory(hung).hang();
    }
    let (lock, lease) = (redlock.lock("r"), guard.lease());
    let mut acquire = Box::pin(lock.acquire());
    let mut extend = Box::pin(guard.extend(SECOND));
    let mut release = Box::pin(redlock.release(&lease));
    runtime.block_on(async {
        assert!(acquire.as_mut().now_or_never().is_none());
        assert!(extend.as_mut().now_or_never().is_none());
        assert!(release.as_mut().now_or_never().is_none());
    });
    drop(runtime);
    drop(acquire);
    drop(extend);
    drop(release);
    assert_eq!(polled_elsewhere.load(Ordering::Relaxed), 0);
}
