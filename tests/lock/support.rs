//! What the tests on memory nodes share: nodes that fail on demand, in tokio's paused time.

use std::{sync::Arc, time::Duration};

use redlock_testkit::{Fault, FaultyNode, MemoryNode, Operation};
use redlocks::{
    LockNode, Redlock, RedlockBuilder, Renewal, Resource, Runtime, Token, TokioRuntime,
};

/// Nodes `a`, `b`, `c` …, each with a store that can be looked into and faults that can be planned.
pub(crate) struct Nodes(pub(crate) Vec<Arc<FaultyNode<MemoryNode>>>);

impl Nodes {
    pub(crate) fn new(count: u8) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let node = |place| {
            let label = char::from(b'a' + place).to_string();
            let memory = MemoryNode::new(label, Arc::clone(&runtime));
            Arc::new(FaultyNode::new(memory, Arc::clone(&runtime)))
        };
        Self((0..count).map(node).collect())
    }

    pub(crate) fn builder(&self) -> RedlockBuilder {
        let add = |builder: RedlockBuilder, node: &Arc<FaultyNode<MemoryNode>>| {
            builder.shared_node(Arc::clone(node) as Arc<dyn LockNode>)
        };
        self.0.iter().fold(Redlock::builder(), add)
    }

    /// A redlock with a ttl of a second and 50 ms for each node, whose locks are not renewed.
    pub(crate) fn redlock(&self) -> Redlock {
        let builder = self.builder().ttl(SECOND).node_timeout(50 * MS);
        builder.renewal(Renewal::off()).build().unwrap()
    }

    pub(crate) fn script(&self, node: usize, operation: Operation, fault: Fault) {
        self.0[node].script(operation, [fault]);
    }

    pub(crate) fn memory(&self, node: usize) -> &MemoryNode {
        self.0[node].inner()
    }

    /// The tokens that each node has for the resource.
    pub(crate) fn tokens(&self, resource: &str) -> Vec<Option<Token>> {
        let token = |node: &Arc<FaultyNode<MemoryNode>>| {
            let keys = node.inner().keys();
            let key = keys.into_iter().find(|key| key.resource.as_str() == resource);
            key.map(|key| key.token)
        };
        self.0.iter().map(token).collect()
    }

    pub(crate) fn count_keys(&self) -> usize {
        self.0.iter().map(|node| node.inner().keys().len()).sum()
    }

    /// Lets the clean-up finish, and makes sure that it was the clean-up and not the ttl that left
    /// no key behind.
    pub(crate) async fn assert_clean(&self, redlock: &Redlock) {
        let before = TokioRuntime::new().now();
        redlock.settled().await;
        let took = TokioRuntime::new().now().since(before);
        assert!(took < 900 * MS, "the clean-up took {took:?}, by then the ttl does it");
        let keys = self.0.iter().flat_map(|node| node.inner().keys());
        let left: Vec<_> = keys.filter(|key| key.token != somebody_else()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// Somebody else takes the resource on these nodes, for this long.
    pub(crate) async fn occupy(
        &self,
        nodes: impl IntoIterator<Item = usize>,
        resource: &str,
        ttl: Duration,
    ) {
        let resource = Resource::new(resource).unwrap();
        let token = somebody_else();
        for node in nodes {
            let ttl = redlocks::Ttl::new(ttl).unwrap();
            self.memory(node).acquire(&resource, &token, ttl).await.unwrap();
        }
    }

    /// Somebody else gives up what [`occupy`](Self::occupy) took.
    pub(crate) async fn vacate(&self, nodes: impl IntoIterator<Item = usize>, resource: &str) {
        let resource = Resource::new(resource).unwrap();
        let token = somebody_else();
        for node in nodes {
            self.memory(node).release(&resource, &token).await.unwrap();
        }
    }
}

fn somebody_else() -> Token {
    Token::from_bytes(*b"somebody else").unwrap()
}

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What is left of a ttl of a second: 1 % and 2 ms less.
pub(crate) const VALIDITY: Duration = Duration::from_millis(988);
/// How much before its end a loss is told, at most.
pub(crate) const LEAD: Duration = Duration::from_millis(16);
