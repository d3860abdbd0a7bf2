//! Nodes that are hard to listen to, and who was listening before.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use redlock_testkit::MemoryNode;
use redlocks::{
    Accord, Announced, Fencing, Identity, Inspection, LockNode, NodeError, Notice, Notifications,
    Redlock, Renewal, Resource, Retry, Sets, Survey, Token, Ttl, Vote, Witness,
};
use tokio::time::sleep;

use crate::support::{MS, SECOND};

/// What somebody else has listened with is left behind by his runtime.
#[test]
fn the_ears_of_a_runtime_that_has_ended_do_no_harm() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let nodes = MemoryNode::cluster(3);
    let redlock = {
        let _inside = second.enter();
        let builder = Redlock::builder().nodes(nodes.clone()).ttl(SECOND);
        builder.node_timeout(50 * MS).renewal(Renewal::off()).build().unwrap()
    };
    let resource = Resource::new("r").unwrap();
    let holder = Token::from_bytes(*b"somebody").unwrap();
    let occupy = |millis: u32| {
        for node in &nodes {
            let ttl = Ttl::new(MS * millis).unwrap();
            node.acquire(&resource, &holder, ttl).now_or_never().unwrap().unwrap();
        }
    };
    occupy(60_000);
    let lock = redlock.lock("r");
    let mut asking = Box::pin(lock.acquire_within(60 * SECOND));
    let mut behind = Box::pin(lock.acquire_within(60 * SECOND));
    first.block_on(async {
        for _ in 0..20 {
            assert!((&mut asking).now_or_never().is_none());
            sleep(MS).await;
        }
        assert!((&mut behind).now_or_never().is_none());
        // Now somebody is to be subscribed again, and there is a timer for it.
        nodes[0].cut_subscriptions();
        assert!((&mut asking).now_or_never().is_none());
    });
    drop(asking);
    drop(first);
    for node in &nodes {
        node.release(&resource, &holder).now_or_never().unwrap().unwrap();
    }
    let next = second.block_on(behind).unwrap();
    drop(next);
}

/// A node whose subscriptions end as soon as they are made.
#[derive(Debug)]
struct Flapping {
    node: MemoryNode,
    subscribed: Arc<AtomicUsize>,
}

#[async_trait]
impl LockNode for Flapping {
    fn label(&self) -> &str {
        self.node.label()
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        Some(self)
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
        self.node.release(r, t).await
    }

    async fn inspect(&self, r: &Resource) -> Result<Inspection, NodeError> {
        self.node.inspect(r).await
    }
}

#[async_trait]
impl Notifications for Flapping {
    async fn release_and_notify(&self, r: &Resource, t: &Token) -> Result<Announced, NodeError> {
        self.node.release(r, t).await.map(|vote| Announced { vote, listeners: 0 })
    }

    async fn notify(&self, _: &Resource) -> Result<(), NodeError> {
        Ok(())
    }

    async fn subscribe(&self, _: &Resource) -> Result<BoxStream<'static, Notice>, NodeError> {
        self.subscribed.fetch_add(1, Ordering::Relaxed);
        Ok(stream::empty().boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_end_at_once_are_tried_less_and_less_often() {
    let node = MemoryNode::named("a");
    let subscribed = Arc::new(AtomicUsize::new(0));
    let flapping = Flapping { node: node.clone(), subscribed: Arc::clone(&subscribed) };
    let redlock = Redlock::builder().node(flapping).ttl(SECOND).build().unwrap();
    let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"other").unwrap());
    node.acquire(&resource, &token, Ttl::new(600 * SECOND).unwrap()).await.unwrap();
    node.reset_calls();
    let retry = Retry::fixed(SECOND);
    redlock.lock("r").retry(retry).acquire_within(60 * SECOND).await.unwrap_err();
    let subscribed = subscribed.load(Ordering::Relaxed);
    assert!(subscribed <= 30, "{subscribed} subscriptions in a minute");
    let asked = node.calls().acquire;
    assert!(asked <= 200, "{asked} attempts in a minute");
}
