//! Nodes over a pool keep what clients agree on as well.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[allow(dead_code, reason = "no test file uses all of it")]
mod common {
    #[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
    mod helpers;

    pub(crate) use helpers::*;
    pub(crate) use redlock_redis_rs::PooledNode as Node;
    use redlock_testkit::server::Server;

    pub(crate) fn node(server: &Server) -> Node {
        Node::open(&server.url()).unwrap()
    }
}

#[path = "../../redlock-wire/tests/adapters/agreement.rs"]
mod every_adapter;
