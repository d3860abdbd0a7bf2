//! A story in which everything happens that can be told, in tokio's paused time.

use std::{sync::Arc, time::Duration};

use redlock_core::{LockNode, Observer, Redlock, Resource, Token, Ttl};
use redlock_testkit::MemoryNode;
use tokio::time::sleep;

pub(crate) const SECRET: &str = "a token of somebody else";

/// Runs the story before this observer, in a runtime of its own on this thread. Returns the token of
/// a lock that was held in it.
pub(crate) fn told_to(observer: Arc<dyn Observer>) -> Token {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(story(observer))
}

async fn story(observer: Arc<dyn Observer>) -> Token {
    let nodes = ["a", "b", "c"].map(MemoryNode::named);
    nodes[0].mute();
    nodes[1].tell_of_restarts();
    nodes[2].notice_clock_steps();
    nodes[2].step_clock_back(MS);
    let builder = Redlock::builder().nodes(nodes.clone()).observer(observer);
    let redlock = builder.ttl(SECOND).node_timeout(50 * MS).build().unwrap();
    let name = Resource::new("job:42").unwrap();
    let lock = redlock.lock(name.clone());
    // Somebody else has it, and then it is had; it is renewed, healed and handed on.
    let (other, ttl) = (Token::from_bytes(SECRET.as_bytes()).unwrap(), Ttl::new(100 * MS).unwrap());
    for node in &nodes {
        node.acquire(&name, &other, ttl).await.unwrap();
    }
    let mut guard = lock.acquire_within(SECOND).await.unwrap();
    let token = guard.token().clone();
    lock.try_acquire().await.unwrap_err();
    guard.extend(SECOND).await.unwrap();
    nodes[1].evict(&name);
    sleep(400 * MS).await;
    let guard = redlock.adopt(&guard.into_lease()).await.unwrap();
    // Too few nodes are there to renew it, so it is lost.
    nodes[0].crash();
    nodes[1].crash();
    guard.lost().await;
    lock.try_acquire().await.unwrap_err();
    nodes[0].restart();
    nodes[1].restart();
    redlock.settled().await;
    lock.acquire().await.unwrap().release().await;
    redlock.settled().await;
    token
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
