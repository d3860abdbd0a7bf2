//! Several resources under one lock: had together or not at all, and kept, lost and given up as one.

use std::{
    future::Future,
    task::{Context, Poll, Waker},
};

use futures::FutureExt;
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{ConfigError, Error, Lease, LossReason, Redlock, ReleaseOutcome, Renewal, Resource};
use tokio::time::{Instant, sleep};

use crate::support::{MS, Nodes, SECOND, VALIDITY};

fn names(guard: &redlocks::Guard) -> Vec<&str> {
    guard.resources().iter().map(Resource::as_str).collect()
}

fn resource(name: &str) -> Resource {
    Resource::new(name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_set_is_had_whole_in_one_call_for_each_node_whatever_order_it_is_named_in() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock_all(["b", "a", "b"]).acquire().await.unwrap();
    assert_eq!(names(&guard), ["a", "b"]);
    assert_eq!(guard.resource().as_str(), "a");
    assert_eq!(guard.remaining(), VALIDITY);
    let token = Some(guard.token().clone());
    for name in ["a", "b"] {
        assert_eq!(nodes.tokens(name), vec![token.clone(); 3]);
        let error = redlock.lock(name).try_acquire().await.unwrap_err();
        assert!(matches!(error, Error::Contended(_)), "{error}");
    }
    // One for the set, and one for each of the two who met it.
    assert_eq!(nodes.memory(0).calls().acquire, 3);
    let error = redlock.lock_all(["c", "b"]).try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    let said = error.to_string();
    assert!(said.starts_with(r#"could not acquire {"b", "c"}: "#), "{said}");
    assert_eq!(nodes.tokens("c"), [None, None, None]);

    let released = guard.release().await;
    assert!(released.is_released(), "{released}");
    assert!(released.to_string().starts_with(r#"released {"a", "b"}: "#), "{released}");
    redlock.lock_all(["c", "b"]).try_acquire().await.unwrap().release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_never_run_together() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let first = redlock.lock_all(["a", "bc"]).try_acquire().await.unwrap();
    let second = redlock.lock_all(["ab", "c"]).try_acquire().await.unwrap();
    assert!(first.is_valid() && second.is_valid());
    assert_eq!(nodes.count_keys(), 12);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_taken_keeps_the_others_free_and_is_waited_for() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy(0..3, "b", 300 * MS).await;
    let lock = redlock.lock_all(["a", "b", "c"]);
    let error = lock.try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    // Who wants one that is free is not kept from it by somebody who waits for others as well.
    let mut waiting = Box::pin(lock.acquire_within(SECOND));
    assert!(waiting.as_mut().now_or_never().is_none());
    sleep(10 * MS).await;
    assert!(waiting.as_mut().now_or_never().is_none());
    redlock.lock("a").try_acquire().await.unwrap().release().await;
    let guard = waiting.await.unwrap();
    assert_eq!(names(&guard), ["a", "b", "c"]);
    guard.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_set_hears_of_each_of_its_resources() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy(0..3, "a", 60 * SECOND).await;
    nodes.occupy(0..3, "c", 60 * SECOND).await;
    let begun = Instant::now();
    let waiting = tokio::spawn({
        let lock = redlock.lock_all(["a", "b", "c"]);
        async move { lock.acquire_within(30 * SECOND).await }
    });
    for name in ["c", "a"] {
        sleep(SECOND).await;
        nodes.vacate(0..3, name).await;
        for node in 0..3 {
            use redlocks::Notifications;
            nodes.memory(node).notify(&resource(name)).await.unwrap();
        }
    }
    let guard = waiting.await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(took < 2 * SECOND + 100 * MS, "only after {took:?}");
    let mut calls = 0;
    for node in 0..3 {
        calls = calls.max(nodes.memory(node).calls().acquire);
    }
    // Two by `occupy`.
    assert!(calls < 10, "it was not the word of the release: {calls} calls");
    drop(guard);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_of_a_set_are_told_of_its_release() {
    let nodes = Nodes::new(3);
    let (ours, theirs) = (nodes.redlock(), nodes.redlock());
    let guard = ours.lock_all(["a", "b"]).ttl(60 * SECOND).acquire().await.unwrap();
    let begun = Instant::now();
    let waiting = ["a", "b"].map(|name| {
        let lock = theirs.lock(name);
        tokio::spawn(async move { lock.acquire_within(30 * SECOND).await.unwrap() })
    });
    sleep(SECOND).await;
    guard.release().await;
    let guards = futures::future::join_all(waiting).await;
    assert!(begun.elapsed() < SECOND + 100 * MS, "only after {:?}", begun.elapsed());
    drop(guards);
    nodes.assert_clean(&theirs).await;
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_one_resource_is_the_loss_of_the_set() {
    for gone in ["a", "b", "c"] {
        let nodes = Nodes::new(3);
        let redlock = nodes.redlock();
        let mut guard = redlock.lock_all(["a", "b", "c"]).acquire().await.unwrap();
        guard.extend(SECOND).await.unwrap();
        for node in 0..2 {
            nodes.memory(node).evict(&resource(gone));
        }
        let lost = guard.extend(SECOND).await.unwrap_err();
        assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
        assert!(lost.to_string().starts_with(r#"lost {"a", "b", "c"}: "#), "{lost}");
        assert!(!guard.is_valid());
        // The nodes that refused have the others of them, which are given up as well.
        nodes.assert_clean(&redlock).await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_two_resources_lost_on_another_node_leaves_no_quorum_for_both() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock_all(["a", "b"]).renewal(Renewal::every(200 * MS));
    let guard = lock.acquire().await.unwrap();
    nodes.memory(0).evict(&resource("a"));
    nodes.memory(1).evict(&resource("b"));
    assert_eq!(guard.lost().await, LossReason::QuorumLost);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn renewal_keeps_a_set_and_heals_what_one_node_has_lost_of_it() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock_all(["a", "b"]).renewal(Renewal::every(200 * MS));
    let guard = lock.acquire().await.unwrap();
    sleep(3 * SECOND).await;
    assert!(guard.is_valid());
    assert_eq!(guard.margin(), 1);
    nodes.memory(1).evict(&resource("b"));
    sleep(SECOND).await;
    assert_eq!(guard.margin(), 1, "node b is not healed");
    assert_eq!(nodes.tokens("b")[1].as_ref(), Some(guard.token()));
    // What somebody else has taken is not; the rest of the set on that node goes at its end.
    nodes.memory(2).evict(&resource("a"));
    nodes.occupy([2], "a", 60 * SECOND).await;
    sleep(SECOND).await;
    assert!(guard.is_valid());
    assert_eq!(guard.margin(), 0);
    guard.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_guard_gives_up_all_of_it_also_where_a_part_is_gone() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock_all(["a", "b", "c"]).acquire().await.unwrap();
    nodes.memory(0).evict(&resource("b"));
    nodes.occupy([0], "b", 60 * SECOND).await;
    guard.extend(SECOND).await.unwrap();
    assert_eq!(nodes.count_keys(), 9);
    drop(guard);
    nodes.assert_clean(&redlock).await;
    assert_eq!(nodes.count_keys(), 1, "what is somebody else's stays");
}

#[tokio::test(start_paused = true)]
async fn a_release_tells_what_was_not_the_sets_own_any_more() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock_all(["a", "b"]).acquire().await.unwrap();
    for node in 0..2 {
        nodes.memory(node).evict(&resource("b"));
    }
    nodes.occupy(0..2, "b", 60 * SECOND).await;
    let released = guard.release().await;
    assert_eq!(released.outcome(), ReleaseOutcome::TakenByAnother, "{released}");
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_set_goes_on_elsewhere() {
    let nodes = Nodes::new(3);
    let (redlock, elsewhere) = (nodes.redlock(), nodes.redlock());
    let lease = redlock.lock_all(["b", "a"]).acquire().await.unwrap().into_lease();
    let arrived = Lease::new(lease.resources(), lease.token().clone(), lease.ttl());
    let guard = elsewhere.adopt(&arrived).await.unwrap();
    assert_eq!(names(&guard), ["a", "b"]);
    let lease = guard.into_lease();
    let lease = elsewhere.extend(&lease, 2 * SECOND).await.unwrap();
    assert!(elsewhere.release(&lease).await.is_released());
    assert_eq!(nodes.count_keys(), 0);
    // One of the two is gone: nothing is left to go on with, and nothing is left behind.
    let lease = redlock.lock_all(["b", "a"]).acquire().await.unwrap().into_lease();
    for node in 0..3 {
        nodes.memory(node).evict(&resource("b"));
    }
    let lost = elsewhere.adopt(&lease).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
    nodes.assert_clean(&elsewhere).await;
}

/// Nothing in a queue has what another queue waits for.
#[tokio::test(start_paused = true)]
async fn who_holds_one_and_asks_for_another_is_not_held_up_by_a_set_that_waits_for_both() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let second = redlock.lock("b").acquire().await.unwrap();
    let set = tokio::spawn({
        let lock = redlock.lock_all(["a", "b"]);
        async move { lock.acquire_within(30 * SECOND).await.unwrap() }
    });
    sleep(50 * MS).await;
    let begun = Instant::now();
    let first = redlock.lock("a").acquire_within(30 * SECOND).await.unwrap();
    assert!(begun.elapsed() < 100 * MS, "held up for {:?}", begun.elapsed());
    first.release().await;
    second.release().await;
    set.await.unwrap().release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_of_one_is_the_lock_of_that_resource() {
    let nodes = Nodes::new(3);
    for node in 0..3 {
        nodes.memory(node).take_one_at_a_time();
    }
    let redlock = nodes.redlock();
    let guard = redlock.lock_all(["a", "a"]).fencing(true).acquire().await.unwrap();
    assert!(guard.fencing_token().is_some());
    assert_eq!(names(&guard), ["a"]);
    // It has its place in the same queue.
    let next = tokio::spawn({
        let lock = redlock.lock("a");
        async move { lock.acquire_within(SECOND).await.unwrap() }
    });
    sleep(MS).await;
    guard.release().await;
    next.await.unwrap().release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_set_is_told_before_a_node_is_asked() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let error = async |lock: redlocks::Lock| {
        let errors = [
            lock.try_acquire().await.unwrap_err(),
            lock.acquire_within(SECOND).await.unwrap_err(),
            lock.reentrant().acquire().await.unwrap_err(),
        ];
        let [Error::Config(error), Error::Config(second), Error::Config(third)] = errors else {
            panic!("{errors:?}");
        };
        assert!(error == second && error == third);
        error
    };
    let none: [&str; 0] = [];
    assert_eq!(error(redlock.lock_all(none)).await, ConfigError::NoResources);
    assert_eq!(error(redlock.lock_all(["a", ""])).await, ConfigError::EmptyResource);
    let fenced = error(redlock.lock_all(["a", "b"]).fencing(true)).await;
    assert_eq!(fenced, ConfigError::FencedSet { resources: 2 });
    let by_default = nodes.builder().ttl(SECOND).fencing(true).build().unwrap();
    let fenced = error(by_default.lock_all(["a", "b"])).await;
    assert_eq!(fenced, ConfigError::FencedSet { resources: 2 });
    by_default.lock_all(["a", "b"]).fencing(false).acquire().await.unwrap().release().await;
    let asked = nodes.memory(1).calls().acquire;

    let lease = redlock.lock_all(["a", "b"]).acquire().await.unwrap().into_lease();
    nodes.memory(1).take_one_at_a_time();
    let unable = error(redlock.lock_all(["a", "b"])).await;
    assert_eq!(unable, ConfigError::NoSets { label: "b".into() });
    let said = unable.to_string();
    assert!(said.starts_with("b cannot take several resources at once"), "{said}");
    let adopted = redlock.adopt(&lease).await.unwrap_err();
    assert!(matches!(adopted, Error::Config(ConfigError::NoSets { .. })), "{adopted}");
    let extended = redlock.extend(&lease, SECOND).await.unwrap_err();
    assert!(matches!(extended, Error::Config(ConfigError::NoSets { .. })), "{extended}");
    assert_eq!(nodes.memory(1).calls().acquire, asked + 1, "that of the lease");
    assert_eq!(nodes.memory(1).calls().extend, 0);
}

/// Three nodes whose calls take a few milliseconds, each a different time.
fn slow_nodes() -> (Nodes, Redlock) {
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

/// For every number of polls: poll that often, drop, and look. Returns how many it takes.
async fn cancel_everywhere<F: Future>(run: impl Fn(Redlock) -> F) -> usize {
    for polls in 0.. {
        let (nodes, redlock) = slow_nodes();
        // In its way for a while, so that it is also dropped while it waits.
        nodes.occupy([0, 2], "b", 30 * MS).await;
        let mut future = Box::pin(run(redlock.clone()));
        let mut done = false;
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                drop(result);
                done = true;
                break;
            }
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

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_nothing_of_a_set_is_left_behind() {
    let polls = cancel_everywhere(async |redlock: Redlock| {
        let lock = redlock.lock_all(["a", "b", "c"]);
        let mut guard = lock.acquire_within(500 * MS).await.unwrap();
        guard.extend(SECOND).await.unwrap();
        guard.release().await
    });
    assert!(polls.await > 20);
}

#[tokio::test(start_paused = true)]
async fn a_late_grant_of_a_set_is_undone_whole() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.script(0, Operation::Acquire, Fault::DelayRequest(80 * MS));
    nodes.script(1, Operation::Acquire, Fault::LoseReply);
    let error = redlock.lock_all(["a", "b"]).try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    nodes.assert_clean(&redlock).await;
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test]
async fn a_set_on_the_wrong_kind_of_node_names_that_node() {
    let plain = MemoryNode::named("plain");
    plain.take_one_at_a_time();
    let redlock =
        Redlock::builder().nodes([MemoryNode::named("a"), plain]).ttl(SECOND).build().unwrap();
    let error = redlock.lock_all(["x", "y"]).acquire().await.unwrap_err();
    assert!(error.to_string().starts_with("plain cannot take several"), "{error}");
}
