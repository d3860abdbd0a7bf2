//! A pool that was brought along, and those who wait.

use redlock_core::LockNode;
use redlock_redis_rs::{
    PooledNode,
    deadpool_redis::{Config, Runtime},
    redis::Client,
};

#[tokio::test]
async fn a_pool_that_was_brought_along_cannot_listen_without_a_client() {
    let pool = Config::from_url("redis://127.0.0.1:1").create_pool(Some(Runtime::Tokio1)).unwrap();
    let node = PooledNode::from_pool("p", pool);
    assert!(node.notifications().is_none());
    let client = Client::open("redis://127.0.0.1:1").unwrap();
    assert!(node.listening_with(client).notifications().is_some());
}
