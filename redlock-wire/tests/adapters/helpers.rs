//! What the tests of all Redis adapters on real servers share.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use redlock_core::{LockNode, Resource, Token, Ttl, Vote};
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

/// Milliseconds that a key has left, as the server tells: -1 for ever, -2 no such key.
pub(crate) fn pttl(server: &Server, key: &str) -> i64 {
    server.cmd(&["PTTL", key]).unwrap()
}

pub(crate) fn exists(server: &Server, key: &str) -> bool {
    server.cmd(&["EXISTS", key]).unwrap()
}

/// Whether the node votes for a new token on a resource of its own.
pub(crate) async fn votes(node: &dyn LockNode) -> bool {
    let name = resource(&format!("probe:{:?}", Instant::now()));
    matches!(node.acquire(&name, &token("probe"), ttl(1_000)).await, Ok(Vote::Granted { .. }))
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
