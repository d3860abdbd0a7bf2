//! What the tests on real servers share.
#![allow(dead_code, reason = "no test file uses all of it")]

#[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
mod helpers;

pub(crate) use helpers::*;
use redlock_core::Delivery;
pub(crate) use redlock_redis_rs::RedisNode as Node;
use redlock_redis_rs::redis::{Client, IntoConnectionInfo};
use redlock_testkit::server::Server;

/// A node over the protocol that this test crate is about.
pub(crate) fn node(server: &Server) -> Node {
    let node = Node::open(&server.url()).unwrap();
    if module_path!().starts_with("resp3") { node.resp3() } else { node }
}

/// A node made from settings of the client library.
pub(crate) fn configured(server: &Server, password: &str) -> Node {
    let info = format!("redis://127.0.0.1:{}", server.port()).into_connection_info().unwrap();
    let settings = info.redis_settings().clone().set_password(password);
    Node::from_client(Client::open(info.set_redis_settings(settings)).unwrap())
}

/// What a node tells of a request to a server that refuses every command: the client library does
/// not mind that its greeting is refused, so the request is sent.
pub(crate) const UNWELCOME: Delivery = Delivery::Refused;
