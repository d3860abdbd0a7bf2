//! What the tests of all Redis adapters on real servers share.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use redlock_core::{Inspection, LockNode, Resource, Token, Ttl, Vote};
use redlock_testkit::server::Server;
use redlock_wire::{UrlError, UrlProblem};

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

/// That an error tells what is wrong with a url, and shows nothing of the `secret` or `123` in it.
pub(crate) fn is_named_and_not_shown(url: &str, error: UrlError, problem: UrlProblem) {
    assert_eq!(error.problem(), problem, "{url}");
    for shown in [error.to_string(), format!("{error:?}"), error.at(1).to_string()] {
        assert!(!shown.contains("secret"), "{url}: {shown}");
        assert!(!shown.contains("123"), "{url}: {shown}");
    }
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

/// Drops the calls of a lock after so many polls, from none up to as many as they take; `check` is
/// asked after each time. What they have left can always be released.
pub(crate) async fn drop_calls_at_any_poll(node: &dyn LockNode, check: impl Fn()) {
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    for polls in 0..10_000 {
        let all_finished = [
            poll_and_drop(node.acquire(&name, &mine, ttl(60_000)), polls).await,
            poll_and_drop(node.acquire(&name, &theirs, ttl(60_000)), polls).await,
            poll_and_drop(node.extend(&name, &mine, ttl(90_000)), polls).await,
            poll_and_drop(node.inspect(&name), polls).await,
            poll_and_drop(node.release(&name, &mine), polls).await,
        ] == [true; 5];
        // Whatever of those arrived has been carried out before these.
        node.release(&name, &mine).await.unwrap();
        node.release(&name, &theirs).await.unwrap();
        assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
        check();
        if all_finished {
            return;
        }
    }
    panic!("the calls never end");
}

/// The server cuts the connections of a node, which votes again within a second each time.
pub(crate) async fn cut_again_and_again(node: &dyn LockNode, server: &Server) {
    for _ in 0..20 {
        assert!(votes(node).await);
        server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        until(RETURN, || votes(node)).await;
    }
}

/// Puts as many locks there, each with its number in resource and token and the same lifetime. A
/// piece at a time: on a busy machine the harness would not wait for all of them.
pub(crate) fn fill(server: &Server, prefix: &str, locks: usize) {
    const PIECE: usize = 25_000;
    let script = "for i = ARGV[2], ARGV[3] do \
                  redis.call('SET', ARGV[1] .. i, 't' .. i, 'PX', 600000) end";
    for first in (1..=locks).step_by(PIECE) {
        let last = locks.min(first + PIECE - 1);
        let (first, last) = (first.to_string(), last.to_string());
        server.cmd::<()>(&["EVAL", script, "0", prefix, &first, &last]).unwrap();
    }
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
