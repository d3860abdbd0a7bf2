//! Settings at the ends of what can be set.

use std::time::Duration;

use futures::{FutureExt, future::join};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::Server;

use crate::common::{PATIENCE, votes};

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
