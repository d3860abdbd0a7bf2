//! Settings at the ends of what can be set.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/extremes.rs"]
mod every_adapter;

use std::time::Duration;

use common::{PATIENCE, votes};
use futures::{FutureExt, future::join};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::Server;

#[tokio::test]
async fn the_nodes_own_timeout_counts_also_for_a_connection_that_was_brought_along() {
    let server = Server::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let node = RedisNode::from_multiplexed("n", connection).response_timeout(PATIENCE);
    assert!(votes(&node).await);
    server.stop();
    // Longer than the library waits by default.
    let later = tokio::time::sleep(Duration::from_millis(700));
    let (voted, ()) = join(votes(&node), later.map(|()| server.cont())).await;
    assert!(voted);
}

#[cfg(feature = "deadpool")]
mod pooled {
    use common::{resource, token, ttl};
    use redlock_core::{Delivery, FailureKind, LockNode};
    use redlock_redis_rs::PooledNode;

    use super::*;

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
}
