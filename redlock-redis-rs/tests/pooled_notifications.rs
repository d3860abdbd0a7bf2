//! Those who wait are told of releases by nodes over a pool as well.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[allow(dead_code, reason = "no test file uses all of it")]
mod common {
    #[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
    mod helpers;

    pub(crate) use helpers::*;
    pub(crate) use redlock_redis_rs::PooledNode as Node;
    use redlock_testkit::server::Server;

    pub(crate) fn node(server: &Server) -> Node {
        Node::open(&server.url()).unwrap()
    }
}

#[path = "../../redlock-wire/tests/adapters/notifications.rs"]
mod every_adapter;

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
