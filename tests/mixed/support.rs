//! Redlocks whose nodes are of every kind.

use std::sync::Arc;

use redlock_testkit::server::Server;
use redlocks::{
    Cache, LockNode, Redlock,
    fred::{FredCache, FredNode},
    redis_rs::{PooledNode, RedisCache, RedisNode},
};

pub(crate) use crate::fleet::{MS, count_keys, five};

/// The server at this url as a node of the kind that its place has.
pub(crate) fn node(place: usize, url: &str) -> Arc<dyn LockNode> {
    match place % 5 {
        0 => Arc::new(PooledNode::open(url).unwrap()),
        1 => Arc::new(FredNode::open(url).unwrap()),
        2 => Arc::new(RedisNode::open(url).unwrap()),
        3 => Arc::new(FredNode::open(&format!("{url}?protocol=resp3")).unwrap()),
        _ => Arc::new(RedisNode::open(url).unwrap().resp3()),
    }
}

/// A cache on the server at this url, by the library that its place has.
pub(crate) fn cache(place: usize, url: &str) -> Arc<dyn Cache> {
    match place % 2 {
        0 => Arc::new(FredCache::open(url).unwrap()),
        _ => Arc::new(RedisCache::open(url).unwrap()),
    }
}

/// How many connections a server may have from one node: a pool of four, and four set aside.
pub(crate) const CONNECTIONS: usize = 8;

pub(crate) fn redlock(servers: &[Server]) -> Redlock {
    crate::fleet::over(servers.iter().map(Server::url), node)
}
