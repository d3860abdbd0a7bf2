//! Settings at the ends of what can be set.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

use std::time::Duration;

use common::{resource, votes};
use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_fred::FredNode;
use redlock_testkit::server::Server;

#[tokio::test]
async fn a_timeout_may_be_as_long_as_a_duration_can_be() {
    let server = Server::start().unwrap();
    let node = FredNode::open(&server.url()).unwrap();
    let node = node.connect_timeout(Duration::MAX).response_timeout(Duration::MAX);
    assert!(votes(&node).await);
}

#[tokio::test]
async fn a_database_that_a_server_does_not_have_is_a_rejection() {
    let server = Server::start().unwrap();
    let url = server.url().replace("/0", "/16");
    let error = FredNode::open(&url).unwrap().inspect(&resource("r")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
}
