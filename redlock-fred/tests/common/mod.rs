//! What the tests on real servers share.
#![allow(dead_code, reason = "no test file uses all of it")]

#[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
mod helpers;

pub(crate) use helpers::*;
use redlock_core::Delivery;
pub(crate) use redlock_fred::FredNode as Node;
use redlock_fred::fred::{
    clients::Client,
    interfaces::ClientLike,
    types::config::{Config, ServerConfig},
};
use redlock_testkit::server::Server;

/// A node over the protocol that this test crate is about.
pub(crate) fn node(server: &Server) -> Node {
    let node = Node::open(&server.url()).unwrap();
    if module_path!().starts_with("resp3") { node.resp3() } else { node }
}

/// A client of the user's, connected, that does not reconnect.
pub(crate) async fn connected(server: &Server) -> Client {
    let client = Client::new(settings(server), None, None, None);
    client.init().await.unwrap();
    client
}

pub(crate) fn settings(server: &Server) -> Config {
    let server = ServerConfig::new_centralized("127.0.0.1", server.port());
    Config { server, ..Config::default() }
}

/// A node made from settings of the client library.
pub(crate) fn configured(server: &Server, password: &str) -> Node {
    Node::from_config(Config { password: Some(password.into()), ..settings(server) }).unwrap()
}

/// What a node tells of a request to a server that refuses every command: already the greeting of
/// the client library fails, and there is no connection to send it on.
pub(crate) const UNWELCOME: Delivery = Delivery::NotSent;
