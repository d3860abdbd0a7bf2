//! Every way in which an attempt can end, and that none leaves a key on any node.

use std::{
    cell::Cell,
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::support::{MS, Nodes, SECOND, VALIDITY};
use async_trait::async_trait;
use futures::FutureExt;
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{
    Delivery, Error, FailureKind, Identity, Inspection, LockNode, LossReason, NodeError,
    ReleaseOutcome, Resource, Retry, Token, Ttl, Vote,
};
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
    // The nodes come back, carry out what they were sent, and are asked to undo it.
    for node in 0..3 {
        nodes.memory(node).resume();
    }
    nodes.assert_clean(&redlock).await;
}

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

#[tokio::test(start_paused = true)]
async fn a_body_that_panics() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let run = lock.run(async |_| -> u8 { panic!("in the body") });
    AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
    nodes.assert_clean(&redlock).await;
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

/// A node that panics, before or after it has done what it was asked.
#[derive(Debug)]
struct Panics {
    node: MemoryNode,
    after: bool,
    acquires: AtomicU32,
}

#[async_trait]
impl LockNode for Panics {
    fn label(&self) -> &str {
        "panics"
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    async fn acquire(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.acquires.fetch_add(1, Ordering::Relaxed);
        if self.after {
            self.node.acquire(r, t, ttl).await?;
            sleep(5 * MS).await;
        }
        panic!("a node with a defect");
    }

    async fn extend(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.node.extend(r, t, ttl).await
    }

    async fn release(&self, r: &Resource, t: &Token) -> Result<Vote, NodeError> {
        self.node.release(r, t).await
    }

    async fn inspect(&self, r: &Resource) -> Result<Inspection, NodeError> {
        self.node.inspect(r).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_panics_costs_its_vote_and_is_cleaned_up() {
    for after in [false, true] {
        let nodes = Nodes::new(2);
        let memory = MemoryNode::named("behind");
        let acquires = AtomicU32::new(0);
        let defect = Arc::new(Panics { node: memory.clone(), after, acquires });
        let shared = Arc::clone(&defect) as Arc<dyn LockNode>;
        let redlock = nodes.builder().shared_node(shared).ttl(SECOND).build().unwrap();
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
        assert_eq!(defect.acquires.load(Ordering::Relaxed), 2);
    }
}

/// Everything that waits can be spawned, so it is `Send`, also with a borrowing body.
#[tokio::test(start_paused = true)]
async fn every_call_can_be_spawned() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let all = {
        let redlock = redlock.clone();
        async move {
            let mut count = 0;
            redlock.lock("run").run(async |lease| count += lease.token().as_bytes().len()).await?;
            let mut guard = redlock.lock("r").acquire_within(SECOND).await?;
            guard.extend(SECOND).await?;
            let guard = redlock.adopt(&guard.into_lease()).await?;
            guard.release().await;
            Ok::<_, Error>(count)
        }
    };
    assert_eq!(tokio::spawn(all).await.unwrap().unwrap(), 40);
    nodes.assert_clean(&redlock).await;
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

#[tokio::test(start_paused = true)]
async fn a_body_is_dropped_when_the_validity_ends() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let start = Instant::now();
    let lost = redlock.lock("r").run(async |_| sleep(5 * SECOND).await).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, .. }), "{lost}");
    assert!(start.elapsed() >= VALIDITY && start.elapsed() <= VALIDITY + 2 * MS);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_polled_after_a_pause_that_outlasted_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let polls = Cell::new(0);
    let mut run = pin!(lock.run(async |_| {
        std::future::poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        })
        .await;
    }));
    assert!((&mut run).now_or_never().is_none());
    advance(VALIDITY).await;
    assert!(run.await.is_err());
    assert_eq!(polls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_never_run_without_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", 60 * SECOND).await;
    let retry = Retry::fixed(MS).attempts(2).unwrap();
    let run = redlock.lock("r").retry(retry).run(async |_| panic!("without the lock")).await;
    assert!(matches!(run, Err(Error::Contended(_))));
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

/// A node that notes whether its calls are polled after the end of their runtime. A runtime that
/// ends wakes its timers, and they panic when they are polled then.
#[derive(Debug, Default)]
struct AtHome {
    polled_elsewhere: AtomicU32,
}

impl AtHome {
    async fn answer(&self) -> Result<Vote, NodeError> {
        let mut timer = pin!(sleep(SECOND));
        std::future::poll_fn(|context| {
            if tokio::runtime::Handle::try_current().is_err() {
                self.polled_elsewhere.fetch_add(1, Ordering::Relaxed);
                return Poll::Pending;
            }
            timer.as_mut().poll(context)
        })
        .await;
        Ok(Vote::not_held())
    }
}

#[async_trait]
impl LockNode for AtHome {
    fn label(&self) -> &str {
        "at home"
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    async fn acquire(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn extend(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn release(&self, _: &Resource, _: &Token) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn inspect(&self, _: &Resource) -> Result<Inspection, NodeError> {
        unreachable!("a lock does not ask for it")
    }
}

#[test]
fn what_is_dropped_after_its_runtime_has_ended_polls_no_node() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let node = Arc::new(AtHome::default());
    let nodes = runtime.block_on(async { Nodes::new(2) });
    let redlock = nodes.builder().shared_node(Arc::clone(&node) as Arc<dyn LockNode>);
    let redlock = redlock.ttl(SECOND).build().unwrap();
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
    assert_eq!(node.polled_elsewhere.load(Ordering::Relaxed), 0);
}

/// A node that takes every call and answers none.
#[derive(Debug, Default)]
struct Mute {
    waiting: Arc<AtomicU32>,
}

struct Waits(Arc<AtomicU32>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Mute {
    async fn answer(&self) -> Result<Vote, NodeError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(Arc::clone(&self.waiting));
        std::future::pending().await
    }
}

#[async_trait]
impl LockNode for Mute {
    fn label(&self) -> &str {
        "mute"
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    async fn acquire(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn extend(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn release(&self, _: &Resource, _: &Token) -> Result<Vote, NodeError> {
        self.answer().await
    }

    async fn inspect(&self, _: &Resource) -> Result<Inspection, NodeError> {
        unreachable!("a lock does not ask for it")
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_under_load_collects_a_bounded_number_of_clean_ups() {
    let nodes = Nodes::new(2);
    let mute = Mute::default();
    let waiting = Arc::clone(&mute.waiting);
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
