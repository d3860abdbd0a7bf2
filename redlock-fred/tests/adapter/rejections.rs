//! What a server that will not, and what is no Redis server at all, means for a lock.

use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_fred::FredNode;
use redlock_testkit::server::Options;

use crate::common::{exists, resource, token, ttl};

#[tokio::test]
async fn no_password_where_one_is_needed_is_a_rejection_also_of_resp3() {
    let server = Options::new().password("right").start().unwrap();
    let url = format!("redis://127.0.0.1:{}?protocol=resp3", server.port());
    let node = FredNode::open(&url).unwrap();
    let error = node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    assert!(error.to_string().contains("NOAUTH"), "{error}");
    assert!(!exists(&server, "r"));
}
