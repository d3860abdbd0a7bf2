//! Servers that die, hang and come back, and callers that go away.

use redlock_core::{FailureKind, LockNode};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::Server;

use crate::common::{PATIENCE, resource, until, votes};

#[tokio::test]
async fn a_connection_that_was_brought_along_is_lost_for_good_and_says_so() {
    let mut server = Server::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let node = RedisNode::from_multiplexed("m", connection);
    assert!(votes(&node).await);
    server.restart().unwrap();
    for _ in 0..3 {
        let error = node.inspect(&resource("r")).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Closed, "{error}");
    }
}

#[tokio::test]
async fn a_connection_manager_that_was_brought_along_comes_back() {
    let mut server = Server::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let node = RedisNode::from_manager("m", manager);
    assert!(votes(&node).await);
    let before = node.identity();
    server.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    assert_ne!(node.identity(), before);
}
