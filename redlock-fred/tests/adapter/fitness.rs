//! Servers that are there, answer, and must not vote (requirements R12 and R13).

use redlock_core::{Delivery, FailureKind, LockNode};
use redlock_fred::FredNode;
use redlock_testkit::server::Options;

use crate::common::{connected, exists, resource, token, ttl, votes};

#[tokio::test]
async fn a_server_that_may_evict_locks_is_refused_also_over_a_client_that_was_brought_along() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let words = ["--maxmemory", "100mb", "--maxmemory-policy", policy];
        let server = Options::new().args(words).start().unwrap();
        let node = FredNode::from_client("client", connected(&server).await);
        let asked = node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await;
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        assert!(error.to_string().contains(policy), "{error}");
        assert!(!exists(&server, "r"));
        assert!(votes(&node.allow_eviction()).await);
    }
}
