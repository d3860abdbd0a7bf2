//! `rediss://`, with certificates made for the test.

use std::fs;

use futures::StreamExt;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::Options;
use tokio::time::timeout;

use crate::common::{PATIENCE, RETURN, resource, until, votes};

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_an_error_and_no_panic() {
    let server = Options::new().tls().start().unwrap();
    let node = RedisNode::open(&server.url()).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_client_with_its_own_certificates_votes_and_votes_again_after_a_restart() {
    let mut server = Options::new().tls().start().unwrap();
    let certificate = fs::read(server.certificate().unwrap()).unwrap();
    let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(certificate) };
    let client = redis::Client::build_with_tls(server.url(), certificates).unwrap();
    let node = RedisNode::from_client(client);
    assert_eq!(node.label(), format!("127.0.0.1:{}/0", server.port()));
    assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
    assert!(votes(&node).await);
    assert!(node.identity().is_some());
    server.restart().unwrap();
    until(RETURN, || votes(&node)).await;
}

#[tokio::test]
async fn releases_are_heard_over_tls() {
    let server = Options::new().tls().start().unwrap();
    let certificate = fs::read(server.certificate().unwrap()).unwrap();
    let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(certificate) };
    let client = redis::Client::build_with_tls(server.url(), certificates).unwrap();
    let node = RedisNode::from_client(client);
    let notifications = node.notifications().unwrap();
    let mut notices = notifications.subscribe(&resource("r")).await.unwrap();
    notifications.notify(&resource("r")).await.unwrap();
    assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_some());
}
