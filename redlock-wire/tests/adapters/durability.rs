//! Votes that must reach replicas: each adapter takes these tests into one of its own, beside
//! `common`.

use std::time::Duration;

use redlock_core::{Delivery, FailureKind, Fence, Fencing, LockNode, Vote};
use redlock_testkit::server::Server;

use crate::{
    Durability,
    common::{Node, exists, node, resource, token, ttl},
};

fn durable(server: &Server, replicas: u32) -> Node {
    let node = node(server).response_timeout(Duration::from_secs(10));
    node.durable(Durability::replicated(replicas, Duration::from_millis(200)))
}

#[tokio::test]
async fn a_vote_counts_that_has_reached_a_replica() {
    let (master, replica) = (Server::start().unwrap(), Server::start().unwrap());
    replica.replicate(&master).unwrap();
    // As long as a busy machine may take.
    let node = node(&master)
        .response_timeout(Duration::from_secs(20))
        .durable(Durability::replicated(1, Duration::from_secs(10)));
    let (name, mine) = (resource("r"), token("mine"));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert_eq!(replica.cmd::<String>(&["GET", "r"]).unwrap(), "mine");
    assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    assert_eq!(master.calls("wait").unwrap(), 2);
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    let vote = node.acquire_counted(&name, &mine, ttl(60_000), Fence::default()).await.unwrap();
    let Vote::Granted { counter: Some(counter), .. } = vote else { panic!("{vote:?}") };
    assert_eq!(replica.cmd::<u64>(&["GET", "redlocks:fence:{r}"]).unwrap(), counter.get());
    node.raise(&name, &mine, Fence::new(counter.get() + 5)).await.unwrap();
    let raised: u64 = replica.cmd(&["GET", "redlocks:fence:{r}"]).unwrap();
    assert_eq!(raised, counter.get() + 5);
    // Behind each, and behind the two that the server was sent by digest and did not know yet.
    assert_eq!(master.calls("wait").unwrap(), 6);
}

#[tokio::test]
async fn a_vote_that_has_not_reached_enough_is_to_be_released() {
    let (master, replica) = (Server::start().unwrap(), Server::start().unwrap());
    replica.replicate(&master).unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    replica.stop();
    for node in [durable(&master, 1), durable(&master, 2)] {
        for error in [
            node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err(),
            node.extend(&name, &mine, ttl(90_000)).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.delivery()), (FailureKind::Other, Delivery::Unknown));
            assert!(error.to_string().contains("did not reach"), "{error}");
            assert!(exists(&master, "r"));
        }
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        let counted = node.acquire_counted(&name, &mine, ttl(60_000), Fence::default()).await;
        assert_eq!(counted.unwrap_err().delivery(), Delivery::Unknown);
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    }
    replica.cont();
}

#[tokio::test]
async fn who_is_refused_is_told_so() {
    let server = Server::start().unwrap();
    let name = resource("r");
    node(&server).acquire(&name, &token("theirs"), ttl(60_000)).await.unwrap();
    let vote = durable(&server, 1).acquire(&name, &token("mine"), ttl(60_000)).await.unwrap();
    assert!(matches!(vote, Vote::Refused(_)));
}

#[tokio::test]
async fn a_server_without_a_log_writes_nothing_to_its_disk() {
    let server = Server::start().unwrap();
    let within = Duration::from_millis(200);
    let node = node(&server).durable(Durability::written(0, within));
    let (name, mine) = (resource("r"), token("mine"));
    // It does not know the command, or has the log switched off.
    let error = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!([FailureKind::Unsupported, FailureKind::Rejected].contains(&error.kind()), "{error}");
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
}
