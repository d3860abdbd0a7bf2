use redlocks::{Redlock, testkit::MemoryNode};

use super::LockClient;
use crate::Failure;

/// This project's client over nodes in the memory of this process: what its own rules cost.
pub(crate) fn over_memory(nodes: usize) -> Result<Box<dyn LockClient>, Failure> {
    Ok(Box::new(Redlock::builder().nodes(MemoryNode::cluster(nodes)).build()?))
}
