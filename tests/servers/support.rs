//! Redlocks whose nodes are all of one kind.

use std::sync::Arc;

use redlock_testkit::server::Server;
use redlocks::{
    Cache, LockNode, Redlock,
    redis_rs::{RedisCache, RedisNode},
};

pub(crate) use crate::fleet::{MS, count_keys, five};

/// The server at this url as a node, whatever place it has among the others.
pub(crate) fn node(_place: usize, url: &str) -> Arc<dyn LockNode> {
    Arc::new(RedisNode::open(url).unwrap())
}

/// A cache on the server at this url, with a connection of its own.
pub(crate) fn cache(_place: usize, url: &str) -> Arc<dyn Cache> {
    Arc::new(RedisCache::open(url).unwrap())
}

/// How many connections a server may have from one node.
pub(crate) const CONNECTIONS: usize = 1;

pub(crate) fn redlock(servers: &[Server]) -> Redlock {
    crate::fleet::over(servers.iter().map(Server::url), node)
}
