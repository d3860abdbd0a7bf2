//! What a network can do to a node, by the suite that every node for Redis is put through.

use std::sync::Arc;

use redlock_core::LockNode;
use redlock_fred::FredNode;
use redlock_testkit::outages::Failed;

async fn connect(url: String) -> Result<Arc<dyn LockNode>, Failed> {
    Ok(Arc::new(FredNode::open(&url)?))
}

redlock_testkit::outage_tests!(connect, connections: 1);
