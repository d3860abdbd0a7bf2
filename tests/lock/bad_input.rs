//! Settings and names that cannot work: told at once, in a sentence, with nothing sent.

use std::{sync::Arc, time::Duration};

use crate::support::{MS, Nodes, SECOND};
use async_trait::async_trait;
use redlock_testkit::MemoryNode;
use redlocks::{
    Accord, ConfigError, Drift, Error, Fencing, Identity, Inspection, LockNode, NodeError,
    Notifications, Random, RandomError, Redlock, RedlockBuilder, Resource, Sets, Survey, Token,
    Ttl, Vote, Witness,
};

fn told(error: &ConfigError, sentence: &str) {
    assert_eq!(error.to_string(), sentence);
}

#[tokio::test]
async fn nodes_that_cannot_make_a_quorum() {
    let none = Redlock::builder().build().unwrap_err();
    told(&none, "a redlock needs at least one node, none was given");
    let twice = Redlock::builder()
        .nodes([MemoryNode::named("a"), MemoryNode::named("b"), MemoryNode::named("a")])
        .build()
        .unwrap_err();
    told(&twice, "node a was given twice, each node must be independent of the others");
    let many = (0..65).map(|node| MemoryNode::named(node.to_string()));
    let many = Redlock::builder().nodes(many).build().unwrap_err();
    told(&many, "65 nodes were given, a redlock counts at most 64");
}

#[tokio::test]
async fn times_that_cannot_be_kept() {
    let nodes = Nodes::new(3);
    let build = |ttl, node_timeout| nodes.builder().ttl(ttl).node_timeout(node_timeout).build();
    let error = |ttl, node_timeout| build(ttl, node_timeout).unwrap_err();
    let shortest = "is below a millisecond, the shortest that nodes can keep";
    told(&error(Duration::ZERO, MS), &format!("the ttl 0ns {shortest}"));
    told(&error(MS / 2, MS), &format!("the ttl 500µs {shortest}"));
    told(
        &error(Duration::MAX, MS),
        &format!("the ttl {:?} is above the longest, 3153600000s", Duration::MAX),
    );
    told(&error(SECOND, Duration::ZERO), "the node timeout is zero, no node could answer in time");
    told(
        &error(SECOND, 988 * MS),
        "the ttl 1s less the drift allowance 12ms is not above the node timeout 988ms: \
         a slow node would eat the whole validity",
    );
    assert!(build(SECOND, 987 * MS).is_ok());
    let drift = Drift::new(0.5, SECOND).unwrap();
    assert!(nodes.builder().ttl(2 * SECOND).drift(drift).build().is_err());
    // Without a node timeout of its own, a short ttl gets a short one.
    assert!(nodes.builder().ttl(10 * MS).build().is_ok());
}

#[tokio::test]
async fn a_lock_tells_its_bad_settings_before_a_node_is_asked() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let empty = redlock.lock("");
    for error in [
        empty.try_acquire().await.unwrap_err(),
        empty.acquire().await.unwrap_err(),
        empty.acquire_within(SECOND).await.unwrap_err(),
        empty.acquire_within(Duration::ZERO).await.unwrap_err(),
        empty.run(async |_| ()).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Config(ConfigError::EmptyResource)));
        assert_eq!(error.to_string(), "the resource has an empty name");
    }
    let short = redlock.lock("r").ttl(40 * MS).acquire().await.unwrap_err();
    assert!(matches!(short, Error::Config(ConfigError::TtlWithinTimeout { .. })), "{short}");
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    for node in 0..3 {
        nodes.memory(node).reset_calls();
    }
    let short = guard.extend(40 * MS).await.unwrap_err();
    assert!(matches!(short, Error::Config(ConfigError::TtlWithinTimeout { .. })), "{short}");
    assert!(guard.is_valid(), "the lock is as it was");
    assert_eq!(nodes.memory(0).calls().total(), 0);
}

/// A node that is another node under a second name.
#[derive(Debug)]
struct Alias(MemoryNode);

#[async_trait]
impl LockNode for Alias {
    fn label(&self) -> &str {
        "alias"
    }

    fn identity(&self) -> Option<Identity> {
        self.0.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        None
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        None
    }

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        None
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.0.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.0.acquire(r, t, ttl).await
    }

    async fn extend(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.0.extend(r, t, ttl).await
    }

    async fn release(&self, r: &Resource, t: &Token) -> Result<Vote, NodeError> {
        self.0.release(r, t).await
    }

    async fn inspect(&self, r: &Resource) -> Result<Inspection, NodeError> {
        self.0.inspect(r).await
    }
}

#[tokio::test(start_paused = true)]
async fn one_server_under_two_names_is_refused_and_left_clean() {
    let (a, b) = (MemoryNode::named("a"), MemoryNode::named("b"));
    let redlock = aliased(&a, &b).build().unwrap();
    let error = redlock.lock("r").acquire().await.unwrap_err();
    let sentence = "nodes a and alias are the same server, each node must be independent";
    assert!(matches!(error, Error::Config(ConfigError::SameServer { .. })));
    assert_eq!(error.to_string(), sentence);
    redlock.settled().await;
    assert!(a.keys().is_empty() && b.keys().is_empty());
}

#[derive(Debug)]
struct NoRandomness;

impl Random for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError::new("none today"))
    }
}

#[tokio::test]
async fn without_randomness_there_is_no_token_and_no_lock() {
    let nodes = Nodes::new(1);
    let redlock = nodes.builder().random(Arc::new(NoRandomness)).build().unwrap();
    let error = redlock.lock("r").acquire().await.unwrap_err();
    assert!(matches!(error, Error::Random(_)));
    assert_eq!(nodes.memory(0).calls().total(), 0);
}

#[tokio::test]
async fn tokens_stay_out_of_debug() {
    let nodes = Nodes::new(1);
    let guard = nodes.redlock().lock("r").acquire().await.unwrap();
    let token = String::from_utf8(guard.token().as_bytes().to_vec()).unwrap();
    let shown = format!("{guard:?} {:?} {:?}", guard.lease(), nodes.redlock());
    assert!(!shown.contains(&token[..12]), "{shown}");
    let lock = nodes.redlock().lock("r");
    assert!(format!("{lock:?}").contains("\"r\""));
}

/// Whoever holds a lease goes on holding it, whatever is wrong with the nodes that it is shown to.
#[tokio::test(start_paused = true)]
async fn a_lease_is_not_released_because_one_server_has_two_names() {
    let (a, b) = (MemoryNode::named("a"), MemoryNode::named("b"));
    let sound = Redlock::builder().nodes([a.clone(), b.clone()]).build().unwrap();
    let twice = aliased(&a, &b).build().unwrap();
    let lease = sound.lock("r").acquire().await.unwrap().into_lease();
    let error = twice.extend(&lease, SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::SameServer { .. })), "{error}");
    let error = twice.adopt(&lease).await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::SameServer { .. })), "{error}");
    twice.settled().await;
    assert!(sound.adopt(&lease).await.unwrap().is_valid());
}

/// Two servers, one of them under two names.
pub(crate) fn with_alias() -> RedlockBuilder {
    aliased(&MemoryNode::named("a"), &MemoryNode::named("b"))
}

fn aliased(a: &MemoryNode, b: &MemoryNode) -> RedlockBuilder {
    Redlock::builder().node(a.clone()).node(Alias(a.clone())).node(b.clone())
}
