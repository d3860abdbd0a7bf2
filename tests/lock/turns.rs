//! What can become of a turn, and of those who wait for it.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{
    Delivery, Error, FailureKind, Moment, NoRuntime, Redlock, Renewal, Retry, Runtime, TokioRuntime,
};
use tokio::time::{Instant, sleep};

use crate::support::{MS, Nodes, SECOND};

#[tokio::test(start_paused = true)]
async fn who_had_what_was_handed_to_him_owes_nobody_a_word() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let behind = tokio::spawn({
        let redlock = redlock.clone();
        async move { redlock.lock("r").acquire_within(SECOND).await.unwrap() }
    });
    sleep(MS).await;
    guard.release().await;
    behind.await.unwrap().release().await;
    redlock.settled().await;
    assert_eq!(nodes.memory(0).calls().notify, 0, "it has been told with the release");
}

/// The second of two calls of one owner waits for his own turn, and joins the first.
#[tokio::test(start_paused = true)]
async fn what_two_calls_of_one_owner_took_is_owed_to_others_when_who_is_next_has_gone() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), nodes.redlock());
    let owner = here.lock("r").ttl(60 * SECOND).reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(5 * MS));
    }
    let (one, two) = futures::join!(owner.acquire(), owner.acquire());
    drop(one.unwrap());
    is_owed_to_others(&here, there, two.unwrap().release()).await;
}

/// Whoever asks has been overtaken from behind, and then had the lock all the same.
#[tokio::test(start_paused = true)]
async fn what_was_had_after_another_took_it_beside_the_turn_is_owed_to_others_too() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), nodes.redlock());
    let lock = here.lock("r").ttl(60 * SECOND);
    let first = lock.acquire().await.unwrap();
    let mut idle = Box::pin(lock.acquire_within(600 * SECOND));
    assert!((&mut idle).now_or_never().is_none());
    first.release().await;
    // He has the turn and is not polled, so the one behind him asks for himself.
    let beside = lock.acquire_within(30 * SECOND).await.unwrap();
    beside.release().await;
    let held = idle.await.unwrap();
    is_owed_to_others(&here, there, held.release()).await;
}

/// Who is next in this process goes when the lock has been released for him, and whoever waits
/// elsewhere is told all the same.
async fn is_owed_to_others(here: &Redlock, there: Redlock, release: impl Future) {
    let lock = here.lock("r");
    let mut next = Box::pin(lock.acquire_within(60 * SECOND));
    assert!((&mut next).now_or_never().is_none());
    let elsewhere = tokio::spawn(async move {
        drop(there.lock("r").acquire_within(60 * SECOND).await.unwrap());
        Instant::now()
    });
    sleep(100 * MS).await;
    let released = Instant::now();
    release.await;
    drop(next);
    let waited = elsewhere.await.unwrap() - released;
    assert!(waited < 100 * MS, "told by nobody: {waited:?}");
}

/// Contention and outage are different outcomes, for those too who have asked nobody.
#[tokio::test(start_paused = true)]
async fn who_queues_during_an_outage_is_told_of_an_outage() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for node in 0..3 {
        nodes.memory(node).crash();
    }
    let tasks = (0..5).map(|_| {
        let redlock = redlock.clone();
        async move { redlock.lock("r").acquire_within(SECOND).await.unwrap_err() }
    });
    for error in join_all(tasks).await {
        let Error::TimedOut { last, .. } = error else { panic!("{error}") };
        assert!(matches!(*last, Error::Unavailable(_)), "{last}");
    }
    let retry = Retry::fixed(100 * MS).attempts(4).unwrap();
    let tasks = (0..5).map(|_| {
        let redlock = redlock.clone();
        async move { redlock.lock("r").retry(retry).acquire().await.unwrap_err() }
    });
    for error in join_all(tasks).await {
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_between_two_attempts_of_the_policy_costs_none_of_them() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1, 2], "r", 150 * MS).await;
    for node in 0..3 {
        nodes.memory(node).mute();
    }
    let short = Retry::fixed(50 * MS).jitter(0.0).unwrap().attempts(2).unwrap();
    let long = Retry::fixed(200 * MS).jitter(0.0).unwrap().attempts(2).unwrap();
    let first = redlock.lock("r").retry(short);
    let second = redlock.lock("r").retry(long);
    let begun = Instant::now();
    let (first, second) = futures::join!(first.acquire(), second.acquire());
    assert!(matches!(first.unwrap_err(), Error::Contended(_)));
    let second = second.unwrap();
    assert!(begun.elapsed() <= 200 * MS, "{:?}", begun.elapsed());
    second.release().await;
}

/// Somebody has a turn and is not polled: those behind him get the lock all the same.
#[tokio::test(start_paused = true)]
async fn whoever_does_not_use_his_turn_holds_up_nobody_for_ever() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let lock = redlock.lock("r");
    let mut idle = Box::pin(lock.acquire_within(60 * SECOND));
    assert!((&mut idle).now_or_never().is_none());
    guard.release().await;
    let begun = Instant::now();
    let next = redlock.lock("r").acquire_within(30 * SECOND).await.unwrap();
    assert!(begun.elapsed() <= 6 * SECOND, "{:?}", begun.elapsed());
    next.release().await;
}

/// The clean-up lies on a runtime that nobody runs at the moment.
#[test]
fn a_release_that_is_not_carried_out_holds_up_nobody_for_ever() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let redlock = {
        let _inside = first.enter();
        let builder = Redlock::builder().nodes(MemoryNode::cluster(3)).ttl(500 * MS);
        builder.node_timeout(50 * MS).renewal(Renewal::off()).build().unwrap()
    };
    drop(first.block_on(redlock.lock("r").acquire()).unwrap());
    let begun = std::time::Instant::now();
    let next = second.block_on(redlock.lock("r").acquire_within(20 * SECOND)).unwrap();
    assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn patience_without_end_is_patience() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let redlock = redlock.clone();
            tokio::spawn(async move {
                let lock = redlock.lock("r");
                lock.acquire_within(Duration::MAX).await.unwrap().release().await;
            })
        })
        .collect();
    sleep(10 * MS).await;
    guard.release().await;
    for waiting in waiting {
        waiting.await.unwrap();
    }
    nodes.assert_clean(&redlock).await;
}

/// No matter at which of his awaits the one whose turn it is is dropped.
#[tokio::test(start_paused = true)]
async fn a_turn_goes_on_wherever_its_owner_is_dropped() {
    for count in [1, 2, 3, 4, 5] {
        for polls in 0..12 {
            let nodes = Nodes::new(count);
            let (redlock, there) = (nodes.redlock(), nodes.redlock());
            let guard = there.lock("r").acquire().await.unwrap();
            for node in 0..usize::from(count) {
                for _ in 0..30 {
                    nodes.script(node, Operation::Acquire, Fault::DelayReply(MS));
                    nodes.script(node, Operation::Subscribe, Fault::DelayReply(MS));
                    nodes.script(node, Operation::Release, Fault::DelayReply(MS));
                }
            }
            let lock = redlock.lock("r");
            let mut asking = Box::pin(lock.acquire_within(5 * SECOND));
            for _ in 0..polls {
                assert!((&mut asking).now_or_never().is_none());
                sleep(MS).await;
            }
            let waiting = tokio::spawn({
                let redlock = redlock.clone();
                async move { redlock.lock("r").acquire_within(900 * MS).await.unwrap() }
            });
            sleep(MS).await;
            drop(asking);
            sleep(20 * MS).await;
            guard.release().await;
            let begun = Instant::now();
            let next = waiting.await.unwrap();
            assert!(begun.elapsed() < 50 * MS, "{count} {polls} {:?}", begun.elapsed());
            next.release().await;
            nodes.assert_clean(&redlock).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_with_an_error_of_its_own_hands_on() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let failed = Fault::Fail { kind: FailureKind::Other, delivery: Delivery::Unknown };
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, failed);
    }
    let once = redlock.lock("r").retry(Retry::none());
    let (first, second) =
        futures::join!(once.acquire(), async { redlock.lock("r").acquire_within(SECOND).await });
    assert!(first.is_err());
    second.unwrap().release().await;
    nodes.assert_clean(&redlock).await;
}

/// The holder's time is over, and who would see to it does not run.
#[tokio::test(start_paused = true)]
async fn the_policy_looks_past_a_turn_that_is_not_used_as_well() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let lock = redlock.lock("r");
    let mut idle = Box::pin(lock.acquire_within(60 * SECOND));
    assert!((&mut idle).now_or_never().is_none());
    guard.release().await;
    let begun = Instant::now();
    let next = redlock.lock("r").retry(Retry::fixed(100 * MS).unlimited()).acquire().await.unwrap();
    assert!(begun.elapsed() <= 6 * SECOND, "{:?}", begun.elapsed());
    next.release().await;
}

/// A policy without pauses, on one thread that the holder needs as well.
#[test]
fn a_policy_without_pauses_lets_others_run() {
    /// Whose timers are ready at once when their time has come.
    #[derive(Debug)]
    struct Eager(TokioRuntime);
    impl Runtime for Eager {
        fn now(&self) -> Moment {
            self.0.now()
        }
        fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
            if deadline <= self.now() {
                return Box::pin(std::future::ready(()));
            }
            self.0.sleep_until(deadline)
        }
        fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
            self.0.spawn(task)
        }
    }
    // Behind the holder in this process, or in another.
    for queued in [true, false] {
        let (done, over) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let nodes = MemoryNode::cluster(3);
                let redlock = || {
                    let builder = Redlock::builder().nodes(nodes.clone()).ttl(60 * SECOND);
                    let builder = builder.runtime(Arc::new(Eager(TokioRuntime::new())));
                    builder.renewal(Renewal::off()).build().unwrap()
                };
                let here = redlock();
                let there = if queued { here.clone() } else { redlock() };
                let guard = here.lock("r").acquire().await.unwrap();
                let lock = there.lock("r").retry(Retry::fixed(Duration::ZERO).unlimited());
                let (_, next) = futures::join!(
                    async {
                        sleep(10 * MS).await;
                        guard.release().await;
                    },
                    lock.acquire(),
                );
                drop(next.unwrap());
            });
            done.send(()).unwrap();
        });
        over.recv_timeout(5 * SECOND).expect("the thread is kept busy by one who waits");
    }
}
