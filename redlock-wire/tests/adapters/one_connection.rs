//! A server that dies, hangs and comes back, and callers that go away: what that means for a node that
//! has one connection.

use std::{
    net::TcpListener,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures::future::join_all;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Vote};
use redlock_testkit::server::Server;
use tokio::runtime::{Builder, Runtime};

use crate::common::{
    Node, PATIENCE, RETURN, drop_calls_at_any_poll, exists, node, poll_and_drop, resource, token,
    ttl, until, votes,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restarted_while_nobody_asks_costs_not_even_one_vote() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    let _server = server.await.unwrap();
    let vote = node.acquire(&resource("r"), &token("t"), ttl(1_000)).await;
    assert_eq!(vote.unwrap(), Vote::granted());
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
    tokio::task::yield_now().await;
    server.kill();
    let error = tokio::time::timeout(RETURN, acquire).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed, "{error}");
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_hung_server_is_late_and_goes_on_in_order_without_a_replay() {
    let server = Server::start().unwrap();
    let node = node(&server).response_timeout(Duration::from_millis(100));
    assert!(votes(&node).await);
    let connection = server.connections().unwrap();
    let (name, mine) = (resource("r"), token("t"));

    server.stop();
    let late = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut);
    assert_eq!(late.delivery(), Delivery::Unknown);
    assert!(late.to_string().ends_with("timed out after 100 ms"), "{late}");
    // Its clean-up is late as well, and yet must come second.
    let late = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut);
    server.cont();

    until(RETURN, || votes(&node)).await;
    assert!(!exists(&server, "r"), "the release was carried out before its acquire");
    assert_eq!(server.calls("evalsha").unwrap(), 1);
    // Each probe has made a key, and the released lock had been one.
    let keys: u64 = server.cmd(&["DBSIZE"]).unwrap();
    assert_eq!(server.calls("set").unwrap(), keys + 1, "a command was sent twice");
    assert_eq!(server.connections().unwrap(), connection, "the node has connected anew");
}

#[tokio::test]
async fn calls_dropped_at_any_poll_leave_the_connection_usable() {
    let server = Server::start().unwrap();
    let node = node(&server);
    drop_calls_at_any_poll(&node, || ()).await;
    assert_eq!(server.connections().unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_hold_up_those_who_wait_for_the_same_connection() {
    let server = Server::start().unwrap();
    for polls in 0..5 {
        let node = node(&server);
        let (name, mine) = (resource("r"), token("mine"));
        let mut sleeper = pin!(node.inspect(&name));
        assert!(futures::poll!(&mut sleeper).is_pending());
        poll_and_drop(node.inspect(&name), polls).await;
        // One caller is gone, another is there and not polled.
        let vote = tokio::time::timeout(PATIENCE, node.acquire(&name, &mine, ttl(60_000)));
        assert_eq!(vote.await.unwrap().unwrap(), Vote::granted());
        node.release(&name, &mine).await.unwrap();
        assert_eq!(sleeper.await.unwrap(), Inspection::Free);
    }
}

#[tokio::test]
async fn a_dropped_node_hangs_up_even_on_a_server_that_hangs() {
    let server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    assert_eq!(server.connections().unwrap().len(), 1);
    server.stop();
    poll_and_drop(node.inspect(&resource("r")), 3).await;
    drop(node);
    tokio::task::yield_now().await;
    server.cont();
    until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
}

#[tokio::test]
async fn many_callers_of_a_dead_server_do_not_storm_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::open(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    let knocks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&knocks);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(350) {
        let asked = (0..100).map(|_| votes(&node));
        assert!(join_all(asked).await.into_iter().all(|granted| !granted));
        tokio::task::yield_now().await;
    }
    // One at the start, one after each pause of 100 ms.
    let pauses = start.elapsed().as_millis() / 100;
    let knocks = knocks.load(Ordering::Relaxed) as u128;
    assert!((1..=pauses + 1).contains(&knocks), "{knocks} in {pauses} pauses");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn runtimes_that_take_turns_do_not_wait_for_each_other() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (one, two) = (runtime(), runtime());
    for _ in 0..3 {
        assert!(one.block_on(votes(&node)));
        assert!(two.block_on(votes(&node)));
    }
    assert_eq!(server.connections().unwrap().len(), 2);
    drop(one);
    assert!(two.block_on(votes(&node)));
}

#[test]
fn a_runtime_that_ends_while_connecting_holds_up_nobody() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let first = runtime();
    let abandoned = node.clone();
    first.block_on(async move {
        assert!(!poll_and_drop(abandoned.inspect(&resource("r")), 1).await);
    });
    assert!(runtime().block_on(votes(&node)));
    drop(first);
    assert!(runtime().block_on(votes(&node)));
}
