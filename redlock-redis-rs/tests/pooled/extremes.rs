//! Settings at the ends of what can be set.

use std::time::Duration;

use futures::future::join;
use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_redis_rs::PooledNode;
use redlock_testkit::server::Server;

use crate::common::{resource, token, ttl, votes};

#[tokio::test]
async fn a_timeout_may_be_as_long_as_a_duration_can_be() {
    let server = Server::start().unwrap();
    let node = PooledNode::open(&server.url()).unwrap();
    let node = node.connect_timeout(Duration::MAX).response_timeout(Duration::MAX);
    assert!(votes(&node).await);
    // The second waits for its turn.
    let (name, mine) = (resource("r"), token("mine"));
    let (first, second) =
        join(node.acquire(&name, &mine, ttl(60_000)), node.release(&name, &mine)).await;
    first.unwrap();
    second.unwrap();
    // Long enough for the connection to go back to the pool.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(votes(&node).await);
}

#[tokio::test]
async fn a_database_that_a_server_does_not_have_is_a_rejection() {
    let server = Server::start().unwrap();
    let url = server.url().replace("/0", "/16");
    let error = PooledNode::open(&url).unwrap().inspect(&resource("r")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
}
