//! What a network can do to a node over a pool, by the suite that every node for Redis is put
//! through.

use std::sync::Arc;

use redlock_core::LockNode;
use redlock_redis_rs::PooledNode;
use redlock_testkit::outages::Failed;

async fn connect(url: String) -> Result<Arc<dyn LockNode>, Failed> {
    Ok(Arc::new(PooledNode::open(&url)?))
}

// A pool of four, and four that were set aside because they let a call wait.
redlock_testkit::outage_tests!(connect, connections: 8);
