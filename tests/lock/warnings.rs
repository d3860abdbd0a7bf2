//! What an observer is told about nodes whose votes may not be worth what they seem.

use std::sync::{Arc, Mutex};

use redlocks::{Observer, Redlock, Renewal, RestartPolicy, Ttl, Warning};
use tokio::time::sleep;

use crate::support::{MS, Nodes, SECOND};

/// Hears every warning.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn warned(&self, warning: &Warning) {
        self.0.lock().unwrap().push(warning.to_string());
    }
}

impl Ear {
    /// What was heard since it was last asked.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A redlock with a ttl of a second, and who hears its warnings.
fn heard(nodes: &Nodes) -> (Redlock, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let observer: Arc<dyn Observer> = Arc::<Ear>::clone(&ear);
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    (builder.observer(observer).build().unwrap(), ear)
}

async fn lock(redlock: &Redlock) {
    redlock.lock("r").acquire().await.unwrap().release().await;
    redlock.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_forgets_and_is_younger_than_the_ttl_is_warned_of_once() {
    let nodes = Nodes::new(3);
    let (redlock, ear) = heard(&nodes);
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new(), "nobody has said that it forgets");
    nodes.memory(1).tell_of_restarts();
    sleep(SECOND).await;
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new(), "whatever it may have forgotten is over");

    nodes.memory(1).crash();
    nodes.memory(1).restart();
    sleep(400 * MS).await;
    lock(&redlock).await;
    let expected = "b keeps nothing over a restart, and was started 400ms ago: it may have forgotten \
                    locks of 1s that are still held";
    assert_eq!(ear.heard(), [expected]);
    lock(&redlock).await;
    nodes.memory(1).crash();
    nodes.memory(1).restart();
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new(), "that has been said");
    let (another, hears_too) = heard(&nodes);
    lock(&another).await;
    assert_eq!(hears_too.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_the_ttl_of_the_lock_that_counts() {
    let nodes = Nodes::new(1);
    nodes.memory(0).tell_of_restarts();
    let (redlock, ear) = heard(&nodes);
    sleep(2 * SECOND).await;
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
    redlock.lock("r").ttl(3 * SECOND).acquire().await.unwrap().release().await;
    assert_eq!(ear.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_waits_after_a_restart_or_does_not_grant_is_not_warned_of() {
    let nodes = Nodes::new(3);
    let max_ttl = Ttl::new(SECOND).unwrap();
    nodes.memory(0).restart_policy(RestartPolicy::Quarantine { max_ttl });
    nodes.occupy([1], "r", 60 * SECOND).await;
    for node in 0..2 {
        nodes.memory(node).tell_of_restarts();
    }
    let (redlock, ear) = heard(&nodes);
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_clock_is_told_once_to_each_observer() {
    let nodes = Nodes::new(3);
    nodes.memory(2).step_clock_forward(5 * SECOND);
    nodes.memory(2).notice_clock_steps();
    let (redlock, ear) = heard(&nodes);
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
    nodes.memory(2).step_clock_back(90 * SECOND);
    nodes.memory(2).step_clock_forward(10 * MS);
    lock(&redlock).await;
    let back = "the clock of c has been set back by at least 90s, or runs as wrong";
    let forward = "the clock of c has been set forward by at least 10ms, or runs as wrong";
    assert_eq!(ear.heard(), [back, forward]);
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
    let (another, hears_too) = heard(&nodes);
    lock(&another).await;
    assert_eq!(hears_too.heard(), [back, forward]);
    // Also by an answer that is no grant.
    nodes.memory(2).step_clock_back(SECOND);
    nodes.occupy([2], "r", 60 * SECOND).await;
    lock(&redlock).await;
    assert_eq!(ear.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_was_set_forward_is_not_counted_until_what_it_forgot_has_ended() {
    let nodes = Nodes::new(3);
    nodes.memory(1).notice_clock_steps();
    let (redlock, _) = heard(&nodes);
    // Who has the lock has lost it on `b` before its time, and needs both others.
    nodes.occupy([0, 1], "r", SECOND).await;
    nodes.memory(1).step_clock_forward(2 * SECOND);
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("b failed: its clock was set forward, so it may"), "{text}");
    assert!(text.contains("not counted for another 1.012s"), "{text}");
    redlock.settled().await;
    assert!(nodes.memory(1).keys().is_empty(), "what it granted has been released");
    // It counts again when that lock has ended, for all that this redlock can know.
    sleep(1_012 * MS).await;
    nodes.memory(0).crash();
    lock(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_lock_allows_for_does_not_cost_a_vote() {
    let nodes = Nodes::new(3);
    nodes.memory(0).crash();
    nodes.memory(1).notice_clock_steps();
    let (redlock, ear) = heard(&nodes);
    // The drift allowance of a second.
    nodes.memory(1).step_clock_forward(12 * MS);
    lock(&redlock).await;
    assert_eq!(ear.heard().len(), 1);
    nodes.memory(1).step_clock_forward(MS);
    redlock.lock("r").try_acquire().await.unwrap_err();
    let graceful = nodes.builder().ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    let graceful = graceful.grace(5 * SECOND).build().unwrap();
    lock(&graceful).await;
    nodes.memory(1).step_clock_forward(4_990 * MS);
    lock(&graceful).await;
    nodes.memory(1).step_clock_forward(10 * MS);
    graceful.lock("r").try_acquire().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn with_a_quorum_of_others_the_lock_is_had_and_let_go_everywhere() {
    let nodes = Nodes::new(3);
    nodes.memory(1).notice_clock_steps();
    let (redlock, _) = heard(&nodes);
    nodes.memory(1).step_clock_forward(20 * SECOND);
    for fenced in [false, true] {
        let guard = redlock.lock("r").fencing(fenced).acquire().await.unwrap();
        assert_eq!(guard.fencing_token().is_some(), fenced);
        guard.release().await;
        nodes.assert_clean(&redlock).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_lock_goes_on_with_it_when_a_clock_was_set_forward() {
    let nodes = Nodes::new(3);
    for node in 0..3 {
        nodes.memory(node).notice_clock_steps();
    }
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS);
    let redlock = builder.build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    for node in 0..3 {
        nodes.memory(node).step_clock_forward(200 * MS);
    }
    // The next renewal finds the keys, which have been there all the time.
    sleep(5 * SECOND).await;
    assert!(guard.is_valid());
    guard.release().await;
    redlock.settled().await;
}
