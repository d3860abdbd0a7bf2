//! Listing locks and resetting them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::StreamExt;
use redlock_core::{
    Accord, Cursor, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Page,
    Redlock, Resource, Sets, Survey, Token, Ttl, Vote, Witness, async_trait,
};
use redlock_redis_rs::RedisNode;
use redlock_testkit::server::Servers;

use crate::common::fill;

/// Counts what is kept of a node's answers and what it is asked at the same time.
#[derive(Clone, Debug)]
struct Counted {
    node: RedisNode,
    pages: Arc<AtomicUsize>,
    longest: Arc<AtomicUsize>,
    releases: Arc<AtomicUsize>,
    most_releases: Arc<AtomicUsize>,
}

#[async_trait]
impl LockNode for Counted {
    fn label(&self) -> &str {
        self.node.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.node.identity()
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
        Some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        None
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.node.acquire(r, t, ttl).await
    }

    async fn extend(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.node.extend(r, t, ttl).await
    }

    async fn release(&self, r: &Resource, t: &Token) -> Result<Vote, NodeError> {
        let now = self.releases.fetch_add(1, SeqCst) + 1;
        self.most_releases.fetch_max(now, SeqCst);
        let answer = self.node.release(r, t).await;
        self.releases.fetch_sub(1, SeqCst);
        answer
    }

    async fn inspect(&self, r: &Resource) -> Result<Inspection, NodeError> {
        self.node.inspect(r).await
    }
}

#[async_trait]
impl Survey for Counted {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        self.pages.fetch_add(1, SeqCst);
        let page = self.node.list(prefix, from).await?;
        self.longest.fetch_max(page.held.len(), SeqCst);
        Ok(page)
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        self.node.reset(resource).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redlock_goes_through_a_hundred_thousand_locks_of_each_node_with_bounded_memory() {
    const KEYS: usize = 100_000;
    let servers = Servers::start(2).unwrap();
    let mut nodes = Vec::new();
    for server in servers.iter() {
        fill(server, "job:", KEYS);
        server.cmd::<()>(&["SET", "other", "t", "PX", "600000"]).unwrap();
        nodes.push(Counted {
            node: RedisNode::open(&server.url()).unwrap(),
            pages: Arc::default(),
            longest: Arc::default(),
            releases: Arc::default(),
            most_releases: Arc::default(),
        });
    }
    let redlock = Redlock::builder().nodes(nodes.clone());
    let redlock = redlock.ttl(Duration::from_secs(600)).node_timeout(Duration::from_secs(30));
    let redlock = redlock.build().unwrap();

    let mut list = redlock.list("job:").unwrap();
    for _ in 0..10 {
        list.next().await.unwrap().unwrap();
    }
    // What is not read is not asked for: at most a page of each node lies in memory.
    for node in &nodes {
        assert!(node.pages.load(SeqCst) <= 3, "{:?}", node.pages);
    }
    let mut listed = 10;
    while let Some(found) = list.next().await {
        let found = found.unwrap();
        let expected = found.resource().as_str().replace("job:", "t");
        assert_eq!(found.token().as_bytes(), expected.as_bytes());
        listed += 1;
    }
    // Some may come twice, all of them at least once.
    assert!((2 * KEYS..=2 * KEYS + KEYS / 10).contains(&listed), "{listed} were listed");

    let mut removed = redlock.reset_all("job:").unwrap();
    let mut count = 0;
    while let Some(one) = removed.next().await {
        one.unwrap();
        count += 1;
    }
    assert_eq!(count, 2 * KEYS);
    for (node, server) in nodes.iter().zip(servers.iter()) {
        assert_eq!(server.keys().unwrap(), ["other"]);
        let (longest, most) = (node.longest.load(SeqCst), node.most_releases.load(SeqCst));
        assert!(longest < 500 && most <= 16, "{longest} in a page, {most} releases at once");
        assert!(most > 1, "one after the other takes long");
    }
}
