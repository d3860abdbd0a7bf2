//! Counters that are lost, of which nodes begin anew from their clocks: what the table in
//! `docs/guarantees.md` says of it.

use std::time::Duration;

use redlock_testkit::MemoryNode;
use redlocks::{Error, Fence, Redlock, Resource};

const HOUR: Duration = Duration::from_secs(3600);

fn client(nodes: &[MemoryNode]) -> Redlock {
    Redlock::builder().nodes(nodes.to_vec()).fencing(true).build().unwrap()
}

async fn hold(redlock: &Redlock) -> Result<Fence, Error> {
    let guard = redlock.lock("r").try_acquire().await?;
    let fence = guard.fencing_token().unwrap();
    guard.release().await;
    redlock.settled().await;
    Ok(fence)
}

/// Alice's number stands on *a* and *b*; then *a* loses it, and the next holder gets *a* and *c*.
async fn a_majority_without_the_count(nodes: &[MemoryNode], alice: &Redlock) -> Fence {
    nodes[2].crash();
    let before = hold(alice).await.unwrap();
    nodes[2].restart();
    nodes[0].forget_counter(&Resource::new("r").unwrap());
    nodes[1].crash();
    tokio::time::sleep(Duration::from_millis(10)).await;
    before
}

#[tokio::test(start_paused = true)]
async fn clocks_that_agree_stand_in_for_a_counter_that_was_lost() {
    let nodes = MemoryNode::cluster(3);
    let before = a_majority_without_the_count(&nodes, &client(&nodes)).await;
    assert!(hold(&client(&nodes)).await.unwrap() > before);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_an_hour_apart_do_not() {
    let nodes = MemoryNode::cluster(3);
    nodes[1].step_clock_forward(HOUR);
    let alice = client(&nodes);
    let before = a_majority_without_the_count(&nodes, &alice).await;
    // Whoever had no number before cannot know.
    assert!(hold(&client(&nodes)).await.unwrap() < before);
    // Whoever had one tells the nodes, which count on from there for everybody.
    let after = hold(&alice).await.unwrap();
    assert!(after > before);
    assert!(hold(&client(&nodes)).await.unwrap() > after);
}

/// Nodes take a number that is more than a day ahead of their clocks for none.
#[tokio::test(start_paused = true)]
async fn a_number_that_would_be_smaller_than_one_before_is_an_error() {
    let nodes = MemoryNode::cluster(3);
    nodes[1].step_clock_forward(48 * HOUR);
    let alice = client(&nodes);
    let before = a_majority_without_the_count(&nodes, &alice).await;
    let error = hold(&alice).await.unwrap_err();
    assert!(matches!(error, Error::FenceRegression { had, .. } if had == before), "{error}");
    alice.settled().await;
    // When the clocks have caught up, numbers grow again.
    tokio::time::sleep(48 * HOUR).await;
    assert!(hold(&alice).await.unwrap() > before);
}
