//! What the tests on real servers share.

#[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod helpers;

pub(crate) use helpers::*;
pub(crate) use redlock_redis_rs::PooledNode as Node;
use redlock_testkit::server::Server;

pub(crate) fn node(server: &Server) -> Node {
    Node::open(&server.url()).unwrap()
}
