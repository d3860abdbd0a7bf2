//! What the tests on real servers share.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use redlock_core::{LockNode, Resource, Token, Ttl, Vote};
use redlock_fred::{
    FredNode,
    fred::{
        clients::Client,
        interfaces::ClientLike,
        types::config::{Config, ServerConfig},
    },
};
use redlock_testkit::server::Server;

pub(crate) fn resource(name: &str) -> Resource {
    Resource::new(name).unwrap()
}

pub(crate) fn token(bytes: impl AsRef<[u8]>) -> Token {
    Token::from_bytes(bytes.as_ref()).unwrap()
}

pub(crate) fn ttl(millis: u64) -> Ttl {
    Ttl::new(Duration::from_millis(millis)).unwrap()
}

pub(crate) fn node(server: &Server) -> FredNode {
    FredNode::open(&server.url()).unwrap()
}

/// Milliseconds that a key has left, as the server tells: -1 for ever, -2 no such key.
pub(crate) fn pttl(server: &Server, key: &str) -> i64 {
    server.cmd(&["PTTL", key]).unwrap()
}

pub(crate) fn exists(server: &Server, key: &str) -> bool {
    server.cmd(&["EXISTS", key]).unwrap()
}

/// How often the server has carried out a command, failed calls included.
pub(crate) fn calls(server: &Server, command: &str) -> u64 {
    let stats: String = server.cmd(&["INFO", "commandstats"]).unwrap();
    let prefix = format!("cmdstat_{command}:calls=");
    stats
        .lines()
        .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok())
        .unwrap_or(0)
}

/// Whether the node votes for a new token on a resource of its own.
pub(crate) async fn votes(node: &FredNode) -> bool {
    let name = resource(&format!("probe:{:?}", Instant::now()));
    matches!(node.acquire(&name, &token("probe"), ttl(1_000)).await, Ok(Vote::Granted { .. }))
}

/// The server's numbers for the connections open now, without the one that asks.
pub(crate) fn connections(server: &Server) -> Vec<u64> {
    let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
    let asks = clients.lines().filter(|line| line.contains("cmd=client"));
    assert_eq!(asks.count(), 1, "{clients}");
    clients
        .lines()
        .filter(|line| !line.contains("cmd=client"))
        .map(|line| line[3..].split(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// Polls a call so many times, then drops it. Tells whether it had finished.
pub(crate) async fn poll_and_drop<T>(call: impl Future<Output = T>, polls: usize) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        if futures::poll!(&mut call).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
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

/// Tries again and again, and tells how long it took; panics after `limit`.
pub(crate) async fn until<F, P>(limit: Duration, mut probe: P) -> Duration
where
    F: Future<Output = bool>,
    P: FnMut() -> F,
{
    let start = Instant::now();
    loop {
        let done = probe().await;
        let waited = start.elapsed();
        assert!(waited < limit, "not within {limit:?}");
        if done {
            return waited;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Far more than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Within what a node must vote again after its server's return.
pub(crate) const RETURN: Duration = Duration::from_secs(1);
