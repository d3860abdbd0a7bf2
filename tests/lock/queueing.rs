//! Waiting without polling: who is woken by what, and in which order those of one process come.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use redlock_testkit::{Fault, Operation};
use redlocks::{
    Error, FailureKind, Observer, Redlock, Renewal, Resource, Retry, Runtime, TokioRuntime, Warning,
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{MS, Nodes, SECOND};

/// A second process, which knows the first only through the nodes.
fn elsewhere(nodes: &Nodes) -> Redlock {
    nodes.redlock()
}

fn resource(name: &str) -> Resource {
    Resource::new(name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_release_wakes_who_waits_elsewhere_at_once() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let guard = here.lock("r").acquire().await.unwrap();
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(SECOND).await });
    sleep(300 * MS).await;
    let asked = nodes.memory(0).calls().acquire;
    assert_eq!(
        asked, 3,
        "one for the holder, one to find out, one after listening, and no polling"
    );
    guard.release().await;
    let next = waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < 310 * MS, "{:?}", begun.elapsed());
    assert!(nodes.memory(0).subscriptions(&resource("r")) == 0, "nobody waits any more");
    next.release().await;
    nodes.assert_clean(&here).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_and_a_lost_lock_wake_as_well() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let guard = here.lock("r").acquire().await.unwrap();
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.lock("r").acquire_within(SECOND).await }
    });
    sleep(10 * MS).await;
    let begun = Instant::now();
    drop(guard);
    let guard = waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());

    // Two nodes lose the key: the holder finds out when he extends, and gives up the third.
    let waiting = tokio::spawn(async move { here.lock("r").acquire_within(SECOND).await });
    sleep(10 * MS).await;
    nodes.memory(0).evict(&resource("r"));
    nodes.memory(1).evict(&resource("r"));
    let mut guard = guard;
    assert!(matches!(guard.extend(SECOND).await, Err(Error::Lost { .. })));
    let begun = Instant::now();
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_any_word_the_end_of_the_holders_time_wakes() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    for node in 0..3 {
        nodes.memory(node).lose_notices(u64::MAX);
    }
    let begun = Instant::now();
    std::mem::forget(here.lock("r").acquire().await.unwrap());
    let guard = there.lock("r").acquire_within(5 * SECOND).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= SECOND && took <= SECOND + 5 * MS, "{took:?}");
    assert_eq!(nodes.memory(0).calls().acquire, 4);
    guard.release().await;

    // Released, and nobody hears: the same bound.
    let guard = here.lock("r").acquire().await.unwrap();
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(5 * SECOND).await });
    sleep(100 * MS).await;
    guard.release().await;
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() <= SECOND + 5 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn word_that_comes_late_or_twice_costs_an_attempt_and_nothing_else() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    for node in 0..3 {
        nodes.memory(node).repeat_notices(u64::MAX);
    }
    nodes.memory(2).hold_notices();
    let guard = here.lock("r").acquire().await.unwrap();
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.lock("r").acquire_within(SECOND).await }
    });
    sleep(10 * MS).await;
    guard.release().await;
    let guard = waiting.await.unwrap().unwrap();
    let again = tokio::spawn(async move { here.lock("r").acquire_within(SECOND).await });
    sleep(10 * MS).await;
    nodes.memory(2).deliver_notices();
    sleep(100 * MS).await;
    assert!(guard.is_valid());
    let asked = nodes.memory(0).calls().acquire;
    assert!(asked <= 7, "{asked} attempts for old news");
    guard.release().await;
    drop(again.await.unwrap().unwrap());
}

/// R48: what was released while nobody listened is found by looking.
#[tokio::test(start_paused = true)]
async fn a_subscription_that_ended_and_stands_again_is_reason_to_look() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let guard = here.lock("r").ttl(30 * SECOND).acquire().await.unwrap();
    let waiting = tokio::spawn(async move {
        there.lock("r").retry(Retry::fixed(20 * SECOND)).acquire_within(60 * SECOND).await
    });
    sleep(10 * MS).await;
    for node in 0..3 {
        nodes.memory(node).lose_notices(u64::MAX);
        nodes.memory(node).cut_subscriptions();
    }
    let begun = Instant::now();
    guard.release().await;
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() <= 100 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_do_not_tell_are_asked_by_the_policy_and_that_is_said_once() {
    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Observer for Heard {
        fn warned(&self, warning: &Warning) {
            self.0.lock().unwrap().push(warning.to_string());
        }
    }
    let nodes = Nodes::new(3);
    nodes.memory(0).mute();
    nodes.memory(1).forbid_notices();
    let heard = Arc::new(Heard::default());
    let observer: Arc<dyn Observer> = Arc::<Heard>::clone(&heard);
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    let redlock = builder.observer(observer).build().unwrap();
    nodes.occupy([0, 1, 2], "r", 600 * MS).await;
    nodes.occupy([0, 1, 2], "s", 60 * SECOND).await;
    nodes.memory(0).reset_calls();
    let retry = Retry::fixed(100 * MS).jitter(0.0).unwrap();
    let begun = Instant::now();
    redlock.lock("r").retry(retry).acquire_within(5 * SECOND).await.unwrap().release().await;
    let took = begun.elapsed();
    assert!(took >= 600 * MS && took <= 605 * MS, "{took:?}");
    let asked = nodes.memory(0).calls().acquire;
    assert!((7..=9).contains(&asked), "{asked} attempts in 600 ms, one each 100 ms and two more");
    redlock.lock("s").retry(retry).acquire_within(SECOND).await.unwrap_err();
    let heard = heard.0.lock().unwrap().clone();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0], "a cannot tell of releases: waiting for a lock takes longer");
    assert!(heard[1].starts_with("b does not tell of releases"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_holds_up_no_waiter() {
    let nodes = Nodes::new(5);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    nodes.memory(3).hang();
    let guard = here.lock("r").acquire().await.unwrap();
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(SECOND).await });
    sleep(20 * MS).await;
    let begun = Instant::now();
    guard.release().await;
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn names_with_patterns_in_them_wake_only_their_own() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let names = ["a*", "a?", "[ab]", "{a}b", "a{", "a", "ab", "}{", "ü\0\n"];
    let mut guards = Vec::new();
    let mut waiting = Vec::new();
    for name in names {
        guards.push(here.lock(name).acquire().await.unwrap());
        let there = there.clone();
        waiting.push(tokio::spawn(async move { there.lock(name).acquire_within(SECOND).await }));
    }
    sleep(50 * MS).await;
    nodes.memory(0).reset_calls();
    guards.swap_remove(0).release().await;
    let next = waiting.swap_remove(0).await.unwrap().unwrap();
    assert_eq!(next.resource().as_str(), "a*");
    sleep(50 * MS).await;
    assert_eq!(nodes.memory(0).calls().acquire, 1, "the others slept on");
}

#[tokio::test(start_paused = true)]
async fn of_one_process_one_asks_and_the_others_come_in_their_order() {
    const TASKS: usize = 1000;
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks = (0..TASKS).map(|task| {
        let (redlock, order) = (redlock.clone(), Arc::clone(&order));
        async move {
            let guard = redlock.lock("r").acquire_within(60 * SECOND).await.unwrap();
            order.lock().unwrap().push(task);
            sleep(MS).await;
            assert!(guard.release().await.is_released());
        }
    });
    // Joined, not spawned: they come in this order.
    join_all(tasks).await;
    assert_eq!(*order.lock().unwrap(), (0..TASKS).collect::<Vec<_>>());
    redlock.settled().await;
    let calls = nodes.memory(0).calls();
    assert_eq!((calls.acquire, calls.release), (1000, 1000), "as many as without any contention");
    assert_eq!((calls.subscribe, calls.notify), (0, 0), "who waits here hears it here");
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_the_queue() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let wait = |name: usize| {
        let (redlock, order) = (redlock.clone(), Arc::clone(&order));
        async move {
            let guard = redlock.lock("r").acquire_within(10 * SECOND).await.unwrap();
            order.lock().unwrap().push(name);
            guard.release().await;
        }
    };
    let mut waiting: Vec<_> = (0..5).map(|name| Some(tokio::spawn(wait(name)))).collect();
    sleep(MS).await;
    for gone in [0, 2, 4] {
        waiting[gone].take().unwrap().abort();
    }
    sleep(MS).await;
    guard.release().await;
    for task in waiting.into_iter().flatten() {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [1, 3]);
    nodes.assert_clean(&redlock).await;
}

/// The lock was given up for somebody of this process, quietly; and he goes before he asks.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_handed_on_and_not_taken_is_told_of() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let guard = here.lock("r").acquire().await.unwrap();
    let lock = here.lock("r");
    let mut behind = lock.acquire_within(10 * SECOND).boxed();
    assert!((&mut behind).now_or_never().is_none());
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(10 * SECOND).await });
    sleep(10 * MS).await;
    assert!(guard.release().await.is_released());
    // It is his turn now, and he has not been polled since.
    drop(behind);
    let begun = Instant::now();
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_some_hand_overs_others_have_their_chance() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(10 * SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    let here = builder.handovers(3).build().unwrap();
    let there = elsewhere(&nodes);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let guard = here.lock("r").acquire().await.unwrap();
    let take = |redlock: &Redlock, name: &'static str| {
        let (redlock, taken) = (redlock.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            let guard = redlock.lock("r").acquire_within(60 * SECOND).await.unwrap();
            taken.lock().unwrap().push(name);
            sleep(MS).await;
            guard.release().await;
        })
    };
    let mut tasks: Vec<_> = (0..8).map(|_| take(&here, "here")).collect();
    tasks.push(take(&there, "there"));
    sleep(10 * MS).await;
    nodes.memory(0).reset_calls();
    guard.release().await;
    join_all(tasks).await;
    let taken = taken.lock().unwrap().clone();
    let turn = taken.iter().position(|name| *name == "there").unwrap();
    assert_eq!(turn, 3, "{taken:?}");
}

/// Who gives a lock up while others wait for it, and wants it again at once, lets them go first.
#[tokio::test(start_paused = true)]
async fn whoever_comes_back_at_once_lets_others_go_first() {
    let nodes = Nodes::new(3);
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let mine = Arc::new(AtomicUsize::new(0));
    let guard = here.lock("r").acquire().await.unwrap();
    let waiting = tokio::spawn(async move {
        for _ in 0..10 {
            let guard = there.lock("r").acquire_within(10 * SECOND).await.unwrap();
            sleep(MS).await;
            guard.release().await;
        }
    });
    let looping = tokio::spawn({
        let mine = Arc::clone(&mine);
        async move {
            sleep(5 * MS).await;
            guard.release().await;
            loop {
                let guard = here.lock("r").acquire_within(10 * SECOND).await.unwrap();
                mine.fetch_add(1, Ordering::Relaxed);
                sleep(MS).await;
                guard.release().await;
            }
        }
    });
    waiting.await.unwrap();
    looping.abort();
    let mine = mine.load(Ordering::Relaxed);
    assert!((5..=20).contains(&mine), "{mine} to 10");
}

/// Nodes that are slow make the courtesy long.
#[tokio::test(start_paused = true)]
async fn who_goes_by_a_policy_steps_back_for_one_of_its_pauses_at_the_most() {
    let nodes = Nodes::new(3);
    for node in &nodes.0 {
        node.rule(|_, _| Fault::DelayReply(10 * MS));
    }
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let lock = here.lock("r").retry(Retry::fixed(2 * MS).attempts(2).unwrap());
    let guard = lock.acquire().await.unwrap();
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(SECOND).await });
    sleep(100 * MS).await;
    assert!(guard.release().await.is_released());
    let asked = nodes.memory(0).calls().acquire;
    let again = timeout(3 * MS, lock.acquire()).await;
    assert!(again.is_err(), "nodes take longer than that");
    assert!(nodes.memory(0).calls().acquire > asked, "he steps back for longer than his policy");
    drop(waiting.await.unwrap().unwrap());
}

/// One of two nodes refuses before the other, and half of the nodes are no quorum.
#[tokio::test(start_paused = true)]
async fn of_two_nodes_both_are_heard_before_the_votes_seem_split() {
    let nodes = Nodes::new(2);
    for (node, delay) in nodes.0.iter().zip([4 * MS, 5 * MS]) {
        node.rule(move |_, _| Fault::DelayReply(delay));
    }
    let (here, there) = (nodes.redlock(), elsewhere(&nodes));
    let guard = here.lock("r").ttl(20 * SECOND).acquire().await.unwrap();
    let waiting = tokio::spawn(async move { there.lock("r").acquire_within(10 * SECOND).await });
    sleep(4 * SECOND).await;
    assert_eq!(nodes.memory(0).calls().acquire, 3, "he asks although he knows who has it");
    guard.release().await;
    drop(waiting.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn patience_and_policy_end_in_the_queue_too() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let _guard = redlock.lock("r").ttl(60 * SECOND).acquire().await.unwrap();
    nodes.memory(0).reset_calls();
    let begun = Instant::now();
    let error = redlock.lock("r").acquire_within(2 * SECOND).await.unwrap_err();
    assert!(begun.elapsed() <= 2 * SECOND && begun.elapsed() >= 1900 * MS);
    assert!(matches!(error, Error::TimedOut { .. }));
    let said = "gave up on \"r\" after 2s; could not acquire \"r\": 0 of 3 nodes granted, 2 needed; \
                none was asked, for others of this process, or their releases, come first";
    assert_eq!(error.to_string(), said);

    let begun = Instant::now();
    let retry = Retry::fixed(200 * MS).jitter(0.0).unwrap().attempts(3).unwrap();
    let error = redlock.lock("r").retry(retry).acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    assert_eq!(begun.elapsed(), 400 * MS);
    assert_eq!(nodes.memory(0).calls().acquire, 0);

    for at_once in [Retry::none(), Retry::fixed(SECOND).attempts(1).unwrap()] {
        let begun = Instant::now();
        let error = redlock.lock("r").retry(at_once).acquire().await.unwrap_err();
        assert!(matches!(error, Error::Contended(_)), "{error}");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
    assert_eq!(nodes.memory(0).calls().acquire, 2, "who tries once asks");
    let error = redlock.lock("r").acquire_within(Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("held by another at a, b"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_guard_holds_up_those_behind_it_no_longer_than_its_validity() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    std::mem::forget(redlock.lock("r").acquire().await.unwrap());
    let begun = Instant::now();
    let next = redlock.lock("r").acquire_within(5 * SECOND).await.unwrap();
    assert!(begun.elapsed() <= 1005 * MS, "{:?}", begun.elapsed());
    next.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_out_of_its_guard_is_waited_for_as_anybodys() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    let waiting = tokio::spawn({
        let redlock = redlock.clone();
        async move { redlock.lock("r").acquire_within(5 * SECOND).await }
    });
    sleep(10 * MS).await;
    let begun = Instant::now();
    redlock.release(&lease).await;
    drop(waiting.await.unwrap().unwrap());
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_cancelled_hands_on_all_the_same() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for polls in 0..2 {
        let guard = redlock.lock("r").acquire().await.unwrap();
        let waiting = tokio::spawn({
            let redlock = redlock.clone();
            async move { redlock.lock("r").acquire_within(900 * MS).await }
        });
        sleep(MS).await;
        for node in 0..3 {
            nodes.script(node, Operation::Release, Fault::DelayReply(20 * MS));
        }
        let mut release = Box::pin(guard.release());
        for _ in 0..polls {
            assert!((&mut release).now_or_never().is_none());
        }
        drop(release);
        waiting.await.unwrap().unwrap().release().await;
        nodes.assert_clean(&redlock).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_owns_the_lock_takes_it_again_past_all_who_queue() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let outer = owner.acquire().await.unwrap();
    let stranger = tokio::spawn({
        let redlock = redlock.clone();
        async move { redlock.lock("r").acquire_within(900 * MS).await }
    });
    sleep(MS).await;
    let inner = owner.acquire().now_or_never().unwrap().unwrap();
    assert_eq!(inner.depth(), 2);
    drop(outer);
    assert!(stranger.now_or_never().is_none());
    drop(inner);
}

/// While a stranger has it: one of the owner's tasks asks for it, and all have it when he has.
#[tokio::test(start_paused = true)]
async fn an_owners_tasks_wait_together() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let owner = redlock.lock("r").reentrant();
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let owner = owner.clone();
            tokio::spawn(async move { owner.acquire_within(5 * SECOND).await.unwrap() })
        })
        .collect();
    let last = tokio::spawn({
        let redlock = redlock.clone();
        async move { redlock.lock("r").acquire_within(5 * SECOND).await.unwrap() }
    });
    sleep(10 * MS).await;
    guard.release().await;
    let guards: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(guards[0].depth(), 5);
    drop(guards);
    assert!(last.await.unwrap().is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_subscription_panics_is_a_node_that_does_not_tell() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let failed = Fault::Fail { kind: FailureKind::Other, delivery: redlocks::Delivery::Unknown };
    for _ in 0..20 {
        nodes.script(0, Operation::Subscribe, failed);
        nodes.script(1, Operation::Subscribe, Fault::Hang);
    }
    nodes.occupy([0, 1, 2], "r", 400 * MS).await;
    let begun = TokioRuntime::new().now();
    let retry = Retry::fixed(10 * SECOND);
    let guard = redlock.lock("r").retry(retry).acquire_within(SECOND).await.unwrap();
    let took = TokioRuntime::new().now().since(begun);
    assert!(took <= 405 * MS, "{took:?}");
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn contenders_that_split_the_votes_try_again_soon() {
    let nodes = Nodes::new(3);
    let redlocks: Vec<_> = (0..6).map(|_| elsewhere(&nodes)).collect();
    for node in 0..3_usize {
        for (place, _) in redlocks.iter().enumerate() {
            // Each is first at another node.
            let by = if place % 3 == node { Duration::ZERO } else { MS };
            nodes.script(node, Operation::Acquire, Fault::DelayRequest(by));
        }
    }
    let begun = Instant::now();
    let tasks = redlocks.iter().map(|redlock| async move {
        let guard = redlock.lock("r").acquire_within(5 * SECOND).await.unwrap();
        guard.release().await;
    });
    join_all(tasks).await;
    assert!(begun.elapsed() < 500 * MS, "{:?}", begun.elapsed());
    nodes.assert_clean(&redlocks[0]).await;
}
