//! Fencing tokens: numbers that grow with every holder, from nodes that count by themselves.

use std::sync::Arc;

use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{
    ConfigError, Error, Fence, LockNode, Redlock, Renewal, Resource, Retry, Runtime, TokioRuntime,
};
use tokio::time::{Instant, sleep};

use crate::support::{MS, Nodes, SECOND};

fn fenced(nodes: &Nodes) -> Redlock {
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    builder.fencing(true).build().unwrap()
}

fn resource() -> Resource {
    Resource::new("r").unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_holder_has_a_larger_number_and_level_counters_cost_no_second_round() {
    let nodes = Nodes::new(3);
    let (here, there) = (fenced(&nodes), fenced(&nodes));
    let mut last = Fence::default();
    for round in 0..20_u32 {
        let redlock = if round.is_multiple_of(2) { &here } else { &there };
        let guard = redlock.lock("r").acquire().await.unwrap();
        let fence = guard.fencing_token().unwrap();
        assert!(fence > last, "{fence} after {last}");
        assert_eq!(guard.lease().fencing_token(), Some(fence));
        last = fence;
        guard.release().await;
        redlock.settled().await;
    }
    // Seeds may differ the first time.
    let raises: u64 = (0..3).map(|node| nodes.memory(node).calls().raise).sum();
    assert!(raises <= 2, "{raises} raises");
    assert_eq!(nodes.memory(0).calls().acquire, 20);
}

#[tokio::test(start_paused = true)]
async fn counters_that_disagree_are_levelled_by_one_more_round() {
    let nodes = Nodes::new(3);
    let redlock = fenced(&nodes);
    let first = redlock.lock("r").acquire().await.unwrap();
    let fence = first.fencing_token().unwrap();
    first.release().await;
    // Two attempts that nobody but the first node saw.
    let (ttl, name) = (redlocks::Ttl::new(10 * MS).unwrap(), resource());
    for attempt in 0..2 {
        let token = redlocks::Token::from_bytes(format!("failed {attempt}").into_bytes()).unwrap();
        let node = nodes.memory(0);
        let counting = LockNode::fencing(node).unwrap();
        counting.acquire_counted(&name, &token, ttl, Fence::default()).await.unwrap();
        node.release(&name, &token).await.unwrap();
    }
    // Somebody who knows nothing of it.
    let stranger = fenced(&nodes);
    let guard = stranger.lock("r").acquire().await.unwrap();
    let raised: u64 = (0..3).map(|node| nodes.memory(node).calls().raise).sum();
    assert!(raised > 0, "nothing was levelled");
    assert!(guard.fencing_token().unwrap() > fence);
    let on_nodes =
        (0..3).filter(|node| nodes.memory(*node).counter(&name) == guard.fencing_token());
    assert!(on_nodes.count() >= 2);
    guard.release().await;
    for node in 0..3 {
        nodes.memory(node).reset_calls();
    }
    // R47: after the slow one a quick one.
    stranger.lock("r").acquire().await.unwrap().release().await;
    let raised: u64 = (0..3).map(|node| nodes.memory(node).calls().raise).sum();
    assert_eq!(raised, 0);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_count_is_an_error_when_fences_are_asked_for() {
    let nodes = Nodes::new(3);
    nodes.memory(1).stop_counting();
    let error = nodes.builder().fencing(true).build().unwrap_err();
    assert!(matches!(&error, ConfigError::NoFencing { label } if label == "b"), "{error}");
    let said = "b cannot count holders, so locks over it have no fencing tokens";
    assert_eq!(error.to_string(), said);
    let plain = nodes.redlock();
    let error = plain.lock("r").fencing(true).try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::NoFencing { .. })), "{error}");
    assert_eq!(nodes.memory(0).calls().total(), 0);
    let guard = plain.lock("r").try_acquire().await.unwrap();
    assert_eq!(guard.fencing_token(), None);
}

#[tokio::test(start_paused = true)]
async fn plain_and_fenced_locks_exclude_each_other() {
    let nodes = Nodes::new(3);
    let (plain, fenced) = (nodes.redlock(), fenced(&nodes));
    let guard = plain.lock("r").acquire().await.unwrap();
    assert!(matches!(fenced.lock("r").try_acquire().await, Err(Error::Contended(_))));
    guard.release().await;
    let guard = fenced.lock("r").acquire().await.unwrap();
    assert!(matches!(plain.lock("r").try_acquire().await, Err(Error::Contended(_))));
    let without = fenced.lock("s").fencing(false).try_acquire().await.unwrap();
    assert_eq!(without.fencing_token(), None);
    drop((guard, without));
    nodes.assert_clean(&fenced).await;
}

#[tokio::test(start_paused = true)]
async fn the_number_stays_when_the_lock_is_extended_handed_on_and_adopted() {
    let nodes = Nodes::new(3);
    let redlock = fenced(&nodes);
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    let fence = guard.fencing_token();
    guard.extend(SECOND).await.unwrap();
    assert_eq!(guard.fencing_token(), fence);
    let lease = guard.into_lease();
    assert_eq!(lease.fencing_token(), fence);
    let extended = redlock.extend(&lease, SECOND).await.unwrap();
    assert_eq!(extended.fencing_token(), fence);
    let adopted = redlock.adopt(&extended).await.unwrap();
    assert_eq!(adopted.fencing_token(), fence);
    adopted.release().await;
    nodes.assert_clean(&redlock).await;
}

/// A node that lost everything and is healed: whoever comes next there must come after.
#[tokio::test(start_paused = true)]
async fn a_healed_node_counts_at_least_to_the_fence() {
    let nodes = Nodes::new(3);
    let redlock = fenced(&nodes);
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    let fence = guard.fencing_token().unwrap();
    nodes.memory(2).evict(&resource());
    nodes.memory(2).forget_counter(&resource());
    guard.extend(SECOND).await.unwrap();
    sleep(MS).await;
    assert!(nodes.memory(2).counter(&resource()).unwrap() >= fence);
    assert_eq!(guard.fencing_token(), Some(fence));
    guard.release().await;
    assert!(redlock.lock("r").acquire().await.unwrap().fencing_token().unwrap() > fence);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_not_larger_is_never_handed_out() {
    let nodes = Nodes::new(3);
    let redlock = fenced(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    let had = guard.fencing_token().unwrap();
    guard.release().await;
    redlock.settled().await;
    for node in 0..3 {
        nodes.memory(node).forget_counter(&resource());
        nodes.memory(node).step_clock_back(40 * 24 * 3600 * SECOND);
    }
    let error = redlock.lock("r").retry(Retry::none()).acquire().await.unwrap_err();
    let Error::FenceRegression { fence, had: before, .. } = &error else { panic!("{error}") };
    assert!(*fence <= had && *before == had, "{error}");
    assert!(error.to_string().contains("nodes have lost their counters"), "{error}");
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_in_the_second_round_is_waited_for_no_longer_than_nodes_may_take() {
    let nodes = Nodes::new(3);
    let redlock = fenced(&nodes);
    // The seeds differ, so that there is a second round.
    nodes.memory(0).step_clock_forward(MS);
    for node in 0..3 {
        nodes.script(node, Operation::Raise, Fault::Hang);
    }
    let begun = Instant::now();
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(begun.elapsed() <= 55 * MS, "{:?}", begun.elapsed());
    nodes.assert_clean(&redlock).await;
    assert!(redlock.lock("r").try_acquire().await.unwrap().fencing_token().is_some());
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_a_fenced_acquire_leaves_nothing() {
    for polls in 0.. {
        let nodes = Nodes::new(3);
        nodes.memory(0).step_clock_forward(3 * MS);
        for (node, delay) in [(0, 3 * MS), (1, 5 * MS), (2, 9 * MS)] {
            nodes.0[node].rule(move |operation, _| match operation {
                Operation::Acquire | Operation::Raise => Fault::DelayReply(delay),
                _ => Fault::DelayRequest(delay),
            });
        }
        let redlock = fenced(&nodes);
        let lock = redlock.lock("r");
        let mut acquire = Box::pin(lock.try_acquire());
        let mut done = false;
        for _ in 0..polls {
            match futures::poll!(&mut acquire) {
                std::task::Poll::Ready(guard) => {
                    assert!(guard.unwrap().fencing_token().is_some());
                    done = true;
                    break;
                }
                std::task::Poll::Pending => sleep(MS).await,
            }
        }
        drop(acquire);
        nodes.assert_clean(&redlock).await;
        if done {
            assert!(polls > 8, "the second round was not reached");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn five_nodes_of_which_two_are_down_number_as_well() {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let nodes: Vec<_> =
        (0..5).map(|name| MemoryNode::new(format!("n{name}"), Arc::clone(&runtime))).collect();
    let redlock = Redlock::builder().nodes(nodes.clone()).fencing(true).build().unwrap();
    let mut last = Fence::default();
    // Another two each time, so that no two majorities are the same.
    for round in 0..10 {
        let (a, b) = (round % 5, (round + 2) % 5);
        nodes[a].crash();
        nodes[b].crash();
        let guard = redlock.lock("r").acquire().await.unwrap();
        let fence = guard.fencing_token().unwrap();
        assert!(fence > last, "{fence} after {last}");
        last = fence;
        guard.release().await;
        nodes[a].restart();
        nodes[b].restart();
    }
}
