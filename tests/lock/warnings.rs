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
