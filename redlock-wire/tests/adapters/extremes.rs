//! Settings at the ends of what can be set.

use std::time::Duration;

use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_testkit::server::Server;

use crate::common::{Node, resource, votes};

#[tokio::test]
async fn a_timeout_may_be_as_long_as_a_duration_can_be() {
    let server = Server::start().unwrap();
    let node = Node::open(&server.url()).unwrap();
    let node = node.connect_timeout(Duration::MAX).response_timeout(Duration::MAX);
    assert!(votes(&node).await);
}

#[tokio::test]
async fn a_database_that_a_server_does_not_have_is_a_rejection() {
    let server = Server::start().unwrap();
    let url = server.url().replace("/0", "/16");
    let error = Node::open(&url).unwrap().inspect(&resource("r")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
}
