//! Servers that die and come back, and runtimes that do.

use std::thread;

use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_testkit::server::Server;
use tokio::runtime::{Builder, Runtime};

use crate::common::{RETURN, cut_again_and_again, node, resource, token, ttl, until, votes};

#[tokio::test]
async fn a_server_that_starts_late_votes_within_a_second() {
    let mut server = Server::start().unwrap();
    server.kill();
    let node = node(&server);
    let error = node.acquire(&resource("r"), &token("t"), ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(!votes(&node).await);
    server.restart().unwrap();
    until(RETURN, || votes(&node)).await;
}

#[tokio::test]
async fn a_server_that_was_killed_votes_again_within_a_second_as_another_one() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    let before = node.identity();
    server.kill();
    until(RETURN, || async { !votes(&node).await }).await;
    server.restart().unwrap();
    until(RETURN, || votes(&node)).await;
    assert!(node.identity().is_some());
    assert_ne!(node.identity(), before);
}

#[tokio::test]
async fn a_connection_cut_by_the_server_costs_one_call_at_most() {
    let server = Server::start().unwrap();
    cut_again_and_again(&node(&server), &server).await;
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_node_outlives_the_runtimes_that_use_it() {
    let server = Server::start().unwrap();
    let node = node(&server);
    for _ in 0..3 {
        assert!(runtime().block_on(votes(&node)), "the end of a runtime has cost a vote");
    }
}

#[test]
fn runtimes_that_come_and_go_at_once_cost_each_other_nothing() {
    let server = Server::start().unwrap();
    let node = node(&server);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert!(runtime().block_on(votes(&node)));
                }
            });
        }
    });
}

#[test]
fn without_a_runtime_a_call_fails_and_does_not_panic() {
    let server = Server::start().unwrap();
    let (new, used) = (node(&server), node(&server));
    assert!(runtime().block_on(votes(&used)));
    for node in [new, used] {
        let error = futures::executor::block_on(node.inspect(&resource("r"))).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Other);
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert!(error.to_string().contains("runtime"), "{error}");
    }
}
