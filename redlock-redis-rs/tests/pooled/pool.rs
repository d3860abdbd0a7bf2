//! Nodes over a pool of connections, on real servers.

use std::{
    error::Error,
    pin::pin,
    time::{Duration, Instant},
};

use futures::future::join_all;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Refusal, Vote};
use redlock_redis_rs::{
    PooledNode, RedisNode,
    deadpool_redis::{Config, Pool, PoolConfig, Runtime},
};
use redlock_testkit::server::{Options, Server};

use crate::{
    common::{
        PATIENCE, RETURN, drop_calls_at_any_poll, exists, pttl, resource, token, ttl, until, votes,
    },
    gate::Gate,
};

fn node(server: &Server) -> PooledNode {
    PooledNode::open(&server.url()).unwrap()
}

/// A pool without timeouts.
fn pool(url: &str, size: usize) -> Pool {
    let mut config = Config::from_url(url);
    config.pool = Some(PoolConfig::new(size));
    config.create_pool(None).unwrap()
}

#[tokio::test]
async fn calls_do_what_the_contract_says() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::not_held());
    assert_eq!(node.acquire(&name, &mine, ttl(5_000)).await.unwrap(), Vote::granted());
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert!((1..=5_000).contains(&pttl(&server, "r")));
    for vote in [
        node.acquire(&name, &theirs, ttl(1)).await.unwrap(),
        node.extend(&name, &theirs, ttl(90_000)).await.unwrap(),
        node.release(&name, &theirs).await.unwrap(),
    ] {
        assert!(matches!(vote, Vote::Refused(Refusal::HeldByAnother { remaining: Some(_), .. })));
    }
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert!(pttl(&server, "r") > 50_000);
    server.cmd::<()>(&["SCRIPT", "FLUSH"]).unwrap();
    assert!(matches!(node.inspect(&name).await.unwrap(), Inspection::Held { .. }));
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::not_held());
    assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
    assert_eq!(node.identity(), {
        let plain = RedisNode::open(&server.url()).unwrap();
        plain.inspect(&name).await.unwrap();
        plain.identity()
    });
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_connection_and_one_checkout() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let all = (0..200).map(|number| {
        let node = &node;
        async move {
            let (name, mine) = (resource(&format!("{number}")), token(format!("t{number}")));
            assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
            assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        }
    });
    join_all(all).await;
    assert_eq!(server.connections().unwrap().len(), 1);
    assert!(
        server.calls("ping").unwrap() < 20,
        "{} checkouts for 400 calls",
        server.calls("ping").unwrap()
    );
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
}

#[tokio::test]
async fn an_idle_node_gives_its_connection_back_and_one_that_others_wait_for_as_well() {
    let server = Server::start().unwrap();
    let pool = pool(&server.url(), 1);
    let node = PooledNode::from_pool("n", pool.clone());
    assert!(votes(&node).await);
    until(PATIENCE, || async { pool.status().available == 1 }).await;
    // While there is always a call under way, somebody else gets the connection all the same.
    let busy = async {
        loop {
            assert!(votes(&node).await);
        }
    };
    let other = async { tokio::time::timeout(PATIENCE, pool.get()).await.unwrap().unwrap() };
    futures::future::select(pin!(busy), pin!(other)).await;
    assert_eq!(server.connections().unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_pool_is_late_and_nothing_was_sent() {
    let server = Server::start().unwrap();
    let pool = pool(&server.url(), 2);
    let limit = Duration::from_millis(150);
    let node = PooledNode::from_pool("n", pool.clone()).connect_timeout(limit);
    let taken = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let start = Instant::now();
    let error = node.acquire(&resource("r"), &token("t"), ttl(60_000)).await.unwrap_err();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(error.kind(), FailureKind::TimedOut);
    assert_eq!(error.delivery(), Delivery::NotSent);
    let said = "n timed out after 150 ms: every connection of the pool is in use";
    assert_eq!(error.to_string(), said);
    drop(taken.0);
    // At once: a full pool says nothing about the server.
    assert!(votes(&node).await);
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn the_timeouts_of_the_pool_itself_are_classified_too() {
    let server = Server::start().unwrap();
    let mut config = Config::from_url(server.url());
    let mut sizes = PoolConfig::new(1);
    sizes.timeouts.wait = Some(Duration::from_millis(20));
    config.pool = Some(sizes);
    let waiting = config.create_pool(Some(Runtime::Tokio1)).unwrap();
    let _taken = waiting.get().await.unwrap();

    sizes.timeouts.create = Some(Duration::from_millis(20));
    config.pool = Some(sizes);
    let creating = config.create_pool(Some(Runtime::Tokio1)).unwrap();
    server.stop();
    for (pool, words) in [(waiting, "in use"), (creating, "could not make")] {
        let node = PooledNode::from_pool("n", pool).connect_timeout(PATIENCE);
        let error = node.acquire(&resource("r"), &token("t"), ttl(60_000)).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::TimedOut, "{error}");
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert!(error.to_string().contains(words), "{error}");
    }
    server.cont();
}

#[tokio::test]
async fn a_pool_that_was_closed_says_so() {
    let server = Server::start().unwrap();
    let pool = pool(&server.url(), 2);
    let node = PooledNode::from_pool("n", pool.clone());
    assert!(votes(&node).await);
    pool.close();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("the pool has been closed"), "{error}");
    until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
}

#[tokio::test]
async fn rejections_are_what_they_are_for_one_connection() {
    let server = Options::new().password("right").start().unwrap();
    let wrong = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let name = resource("r");
    let error = PooledNode::open(&wrong).unwrap().inspect(&name).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(error.delivery(), Delivery::NotSent);
    let node = node(&server);
    assert!(votes(&node).await);
    server.cmd::<()>(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let error = node.acquire(&name, &token("t"), ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(error.delivery(), Delivery::Refused, "{error}");
}

/// Whether the key is left when an acquire is held up on its way, and its release comes after it:
/// by `one` and `other`, which may be the same node.
async fn orphaned(server: &Server, gate: &Gate, one: &dyn LockNode, other: &dyn LockNode) -> bool {
    let (name, mine) = (resource("r"), token("mine"));
    gate.hold();
    let late = one.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut);
    assert_eq!(late.delivery(), Delivery::Unknown);
    let _ = other.release(&name, &mine).await;
    gate.open();
    until(PATIENCE, || async {
        server.calls("set").unwrap() == 1 && server.calls("evalsha").unwrap() == 1
    })
    .await;
    exists(server, "r")
}

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn over_two_plain_connections_a_release_overtakes_its_acquire() {
    let server = Server::start().unwrap();
    let gate = Gate::before(server.port()).await;
    let plain = || RedisNode::open(&gate.url).unwrap().response_timeout(SHORT);
    let (one, other) = (plain(), plain());
    one.inspect(&resource("warm")).await.unwrap();
    server.cmd::<()>(&["CONFIG", "RESETSTAT"]).unwrap();
    assert!(orphaned(&server, &gate, &one, &other).await, "the scenario shows nothing");
}

#[tokio::test]
async fn a_release_never_overtakes_the_acquire_that_it_belongs_to() {
    let server = Server::start().unwrap();
    let gate = Gate::before(server.port()).await;
    let node = PooledNode::open(&gate.url).unwrap().response_timeout(SHORT);
    node.inspect(&resource("warm")).await.unwrap();
    server.cmd::<()>(&["CONFIG", "RESETSTAT"]).unwrap();
    assert!(!orphaned(&server, &gate, &node, &node).await, "the release was first");
}

#[tokio::test]
async fn nor_one_that_was_dropped_or_is_still_under_way() {
    let server = Server::start().unwrap();
    let gate = Gate::before(server.port()).await;
    let node = PooledNode::open(&gate.url).unwrap().response_timeout(PATIENCE);
    let (name, mine) = (resource("r"), token("mine"));
    for drops in [true, false] {
        node.inspect(&resource("warm")).await.unwrap();
        gate.hold();
        let mut acquire = Box::pin(node.acquire(&name, &mine, ttl(60_000)));
        for _ in 0..20 {
            assert!(futures::poll!(&mut acquire).is_pending());
            tokio::task::yield_now().await;
        }
        let under_way =
            async { if drops { drop(acquire) } else { assert!(acquire.await.is_ok()) } };
        let opened = async {
            // Time for a release that went another way to find nothing.
            tokio::time::sleep(SHORT).await;
            gate.open();
        };
        let (_, released, ()) = futures::join!(under_way, node.release(&name, &mine), opened);
        assert_eq!(released.unwrap(), Vote::granted());
        assert!(!exists(&server, "r"));
    }
}

#[tokio::test]
async fn nor_one_that_still_waits_for_a_connection() {
    let server = Server::start().unwrap();
    let pool = pool(&server.url(), 1);
    let node = PooledNode::from_pool("n", pool.clone()).connect_timeout(PATIENCE);
    let (name, mine) = (resource("r"), token("mine"));
    let taken = pool.get().await.unwrap();
    let mut acquire = pin!(node.acquire(&name, &mine, ttl(60_000)));
    let mut release = pin!(node.release(&name, &mine));
    assert!(futures::poll!(&mut acquire).is_pending());
    assert!(futures::poll!(&mut release).is_pending());
    drop(taken);
    // The acquire is not polled for a while, and yet comes first.
    assert!(tokio::time::timeout(SHORT, &mut release).await.is_err());
    assert_eq!(acquire.await.unwrap(), Vote::granted());
    assert_eq!(release.await.unwrap(), Vote::granted());
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn a_connection_that_is_held_up_costs_one_call_and_is_hung_up_when_it_is_done() {
    let server = Server::start().unwrap();
    let gate = Gate::before(server.port()).await;
    let pool = pool(&gate.url, 1);
    let node = PooledNode::from_pool("n", pool.clone()).response_timeout(SHORT);
    for round in 1..=6 {
        assert!(votes(&node).await);
        gate.hold();
        assert!(!votes(&node).await);
        // The pool has room for another one, for this node and for everybody else.
        until(RETURN, || votes(&node)).await;
        assert_eq!(gate.connections(), round + 1);
        // The pool's one, and four; a fifth that hangs is hung up as soon as the news is there.
        until(PATIENCE, || async { gate.open_now() <= 1 + 4 }).await;
    }
    gate.open();
    until(PATIENCE, || async { server.connections().unwrap().len() == 1 }).await;
    drop(tokio::time::timeout(PATIENCE, pool.get()).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_when_the_server_dies_end_at_once_with_an_unknown_outcome() {
    let mut server = Server::start().unwrap();
    let node = node(&server).response_timeout(PATIENCE);
    assert!(votes(&node).await);
    server.stop();
    let (name, mine) = (resource("r"), token("t"));
    let mut acquire = pin!(node.acquire(&name, &mine, ttl(1_000)));
    assert!(futures::poll!(&mut acquire).is_pending());
    tokio::time::sleep(Duration::from_millis(5)).await;
    server.kill();
    let error = tokio::time::timeout(RETURN, acquire).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed, "{error}");
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_hung_server_keeps_few_connections_busy_and_votes_within_a_second_of_its_return() {
    let server = Server::start().unwrap();
    let node = node(&server).response_timeout(SHORT).connect_timeout(SHORT);
    assert!(votes(&node).await);
    let (name, mine) = (resource("r"), token("mine"));
    server.stop();
    let late = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.delivery(), Delivery::Unknown, "{late}");
    for _ in 0..5 {
        assert!(join_all((0..50).map(|_| votes(&node))).await.into_iter().all(|vote| !vote));
    }
    let _ = node.release(&name, &mine).await;
    server.cont();
    until(RETURN, || votes(&node)).await;
    assert!(!exists(&server, "r"), "the release was carried out before its acquire");
    until(PATIENCE, || async { server.connections().unwrap().len() <= 4 }).await;
}

#[tokio::test]
async fn calls_dropped_at_any_poll_leave_no_key_and_no_connection() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let connections = || server.connections().unwrap().len();
    drop_calls_at_any_poll(&node, || assert!(connections() <= 4 + 4)).await;
    until(PATIENCE, || async { connections() <= 4 }).await;
    drop(node);
    until(PATIENCE, || async { connections() == 0 }).await;
}

#[test]
fn runtimes_that_take_turns_do_not_wait_for_each_other() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, two) = (runtime(), runtime());
    for _ in 0..3 {
        // A connection whose runtime sleeps fails the test of the pool, which makes another one.
        assert!(one.block_on(votes(&node)));
        assert!(two.block_on(votes(&node)));
    }
    assert!(server.connections().unwrap().len() <= 4 + 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restarted_while_nobody_asks_costs_not_even_one_vote() {
    let mut server = Server::start().unwrap();
    let pool = pool(&server.url(), 1);
    let node = PooledNode::from_pool("n", pool.clone());
    assert!(votes(&node).await);
    until(PATIENCE, || async { pool.status().available == 1 }).await;
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    let _server = server.await.unwrap();
    let vote = node.acquire(&resource("r"), &token("t"), ttl(1_000)).await;
    assert_eq!(vote.unwrap(), Vote::granted());
}

#[tokio::test]
async fn a_password_is_nowhere_to_be_read() {
    let server = Options::new().password("pass").start().unwrap();
    let wrong = PooledNode::open(&format!("redis://w0rd:w0rd@127.0.0.1:{}", server.port()));
    let wrong = wrong.unwrap();
    let error = wrong.inspect(&resource("r")).await.unwrap_err();
    let refused = PooledNode::open_all(["redis://a", "redis://:w0r/d@h"]).unwrap_err();
    assert!(refused.to_string().starts_with("url 2 does not"), "{refused}");
    let source = error.source().map(|source| format!("{source} {source:?}"));
    for text in [
        format!("{error} {error:?} {source:?}"),
        format!("{wrong:?} {}", wrong.label()),
        format!("{refused} {refused:?}"),
    ] {
        assert!(!text.contains("w0r"), "{text}");
    }
    assert_eq!(wrong.labelled("east").label(), "east");
}
