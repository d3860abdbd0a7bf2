//! Servers that are there, answer, and must not vote (requirements R12 and R13).

use crate::common::{Node, PATIENCE, RETURN, exists, node, resource, token, ttl, until, votes};
use redlock_core::{Delivery, FailureKind, LockNode, NodeError, Vote};
use redlock_testkit::server::{Options, Server};

async fn refusal(node: &Node) -> NodeError {
    let error = node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    error
}

#[tokio::test]
async fn a_server_that_may_evict_locks_is_refused_by_name_of_both_settings() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let words = ["--maxmemory", "100mb", "--maxmemory-policy", policy];
        let server = Options::new().args(words).start().unwrap();
        let error = refusal(&node(&server)).await.to_string();
        assert!(error.contains(&format!("maxmemory-policy is {policy}")), "{error}");
        assert!(error.contains("maxmemory of 104857600 bytes"), "{error}");
        assert!(!exists(&server, "r"));
        assert!(votes(&node(&server).allow_eviction()).await);
    }
}

#[tokio::test]
async fn an_evicting_policy_without_a_limit_never_evicts_and_is_no_reason_to_refuse() {
    let server = Options::new().args(["--maxmemory-policy", "allkeys-lru"]).start().unwrap();
    assert!(votes(&node(&server)).await);
}

#[tokio::test]
async fn a_policy_that_was_changed_is_found_out_when_connecting_again_and_so_is_its_repair() {
    let server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    let set = |name, value| server.cmd::<()>(&["CONFIG", "SET", name, value]).unwrap();
    set("maxmemory", "100mb");
    set("maxmemory-policy", "volatile-lru");
    server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until(PATIENCE, || async { !votes(&node).await }).await;
    let error = refusal(&node).await.to_string();
    assert!(error.contains("volatile-lru"), "{error}");
    set("maxmemory-policy", "noeviction");
    until(RETURN, || votes(&node)).await;
}

#[tokio::test]
async fn a_server_that_may_not_tell_its_policy_is_given_the_benefit_of_the_doubt() {
    let words = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Options::new().args(words).start().unwrap();
    server.cmd::<()>(&["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-info"]).unwrap();
    let url = format!("redis://u:p@127.0.0.1:{}", server.port());
    assert!(votes(&Node::open(&url).unwrap()).await);
}

#[tokio::test]
async fn a_replica_is_refused_when_connected_to_and_votes_once_it_is_a_master() {
    let master = Server::start().unwrap();
    let replica = Server::start().unwrap();
    let port = master.port().to_string();
    replica.cmd::<()>(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let node = node(&replica);
    let error = refusal(&node).await.to_string();
    assert!(error.ends_with("it is a replica, and only masters vote"), "{error}");
    replica.cmd::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
    until(RETURN, || votes(&node)).await;
}

#[tokio::test]
async fn a_full_server_releases_and_extends_and_takes_no_new_lock() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (kept, freed, mine) = (resource("kept"), resource("freed"), token("mine"));
    for name in [&kept, &freed] {
        assert_eq!(node.acquire(name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    }
    server.cmd::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]).unwrap();
    let ballast = "x".repeat(64 * 1024);
    let full = (0..1_000).any(|n| server.cmd::<()>(&["SET", &format!("b{n}"), &ballast]).is_err());
    assert!(full, "the server took 64 MB within a limit of four");
    // What was refused for its size has left room for something small.
    server.cmd::<()>(&["CONFIG", "SET", "maxmemory", "3mb"]).unwrap();

    let error = node.acquire(&resource("new"), &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert!(error.to_string().contains("OOM"), "{error}");
    assert_eq!(node.extend(&kept, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    assert_eq!(node.release(&freed, &mine).await.unwrap(), Vote::granted());
    assert!(exists(&server, "kept") && !exists(&server, "freed"));
}
