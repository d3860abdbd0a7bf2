//! A node that is "the master of that name", on sentinels that promote.

#[path = "../../../redlock-wire/tests/adapters/promotion.rs"]
mod promotion;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Vote};
use redlock_redis_rs::RedisNode;
use redlock_testkit::server::{Options, Sentinel, Server};
use tokio::time::timeout;

use crate::common::{PATIENCE, RETURN, exists, resource, token, ttl, until, votes};

fn node(deployment: &Sentinel) -> RedisNode {
    RedisNode::sentinel(Sentinel::NAME, deployment.urls()).unwrap()
}

#[tokio::test]
async fn a_node_is_the_master_that_the_sentinels_name() {
    let deployment = Sentinel::start(1, 3).unwrap();
    let node = node(&deployment);
    assert_eq!(node.label(), "sentinel:main");
    let (name, mine) = (resource("r"), token("mine"));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert!(exists(deployment.master().unwrap(), "r"));
    assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
    assert!(node.identity().is_some());
}

#[tokio::test]
async fn after_the_death_of_the_master_the_promoted_replica_votes_within_a_second() {
    let mut deployment = Sentinel::start(1, 3).unwrap();
    let node = node(&deployment);
    assert!(votes(&node).await);
    let before = node.identity();
    // Nobody asks meanwhile: the node must find out by itself, or at the first call.
    let deployment = tokio::task::spawn_blocking(move || {
        deployment.fail_over().unwrap();
        deployment
    });
    let deployment = deployment.await.unwrap();
    until(RETURN, || votes(&node)).await;
    assert_ne!(node.identity(), before);
    let name = resource("after");
    node.acquire(&name, &token("mine"), ttl(60_000)).await.unwrap();
    assert!(exists(deployment.master().unwrap(), "after"));
}

/// Asks the node all the time while that happens, and tells how long after it the node votes.
async fn votes_after(node: &RedisNode, event: impl FnOnce() + Send + 'static) -> Duration {
    let happens = tokio::task::spawn_blocking(event);
    while !happens.is_finished() {
        votes(node).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    happens.await.unwrap();
    until(PATIENCE, || votes(node)).await
}

#[tokio::test]
async fn a_master_that_hangs_is_left_once_another_is_promoted_and_not_before() {
    let deployment = Arc::new(Sentinel::start(1, 3).unwrap());
    let node = node(&deployment);
    assert!(votes(&node).await);
    let before = node.identity();
    let hangs = Arc::clone(&deployment);
    let waited = votes_after(&node, move || {
        let master = hangs.master().unwrap();
        master.stop();
        hangs.wait_for_promotion(master.port()).unwrap();
    });
    let waited = waited.await;
    assert!(waited < 2 * RETURN, "{waited:?}");
    assert_ne!(node.identity(), before);
}

#[tokio::test]
async fn a_master_that_is_to_be_demoted_is_left_while_it_still_grants() {
    let deployment =
        Arc::new(tokio::task::spawn_blocking(|| Sentinel::start(1, 3).unwrap()).await.unwrap());
    let node = node(&deployment);
    assert!(votes(&node).await);
    let before = node.identity();
    let demotes = Arc::clone(&deployment);
    let waited = votes_after(&node, move || {
        let former = demotes.master().unwrap().port();
        demotes.switch().unwrap();
        demotes.wait_for_promotion(former).unwrap();
    });
    let waited = waited.await;
    assert!(waited < 2 * RETURN, "{waited:?}");
    // The sentinels leave it a master for a while after they have named another.
    until(RETURN, || async { votes(&node).await && node.identity() != before }).await;
}

#[tokio::test]
async fn a_master_that_hangs_shortly_keeps_its_connection_and_the_order_on_it() {
    let deployment = Sentinel::start(0, 1).unwrap();
    let node = node(&deployment).response_timeout(Duration::from_millis(50));
    assert!(votes(&node).await);
    let master = deployment.master().unwrap();
    let connections = || -> Vec<u64> {
        let clients: String = master.cmd(&["CLIENT", "LIST", "TYPE", "normal"]).unwrap();
        let others = clients.lines().filter(|line| !line.contains("cmd=client"));
        others.map(|line| line[3..].split(' ').next().unwrap().parse().unwrap()).collect()
    };
    // The youngest: sentinels came before.
    let own = connections().into_iter().max().unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    master.stop();
    let late = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    let late = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    // Long enough for the doubt to be looked into.
    tokio::time::sleep(Duration::from_millis(400)).await;
    master.cont();
    until(PATIENCE, || votes(&node)).await;
    assert!(!exists(master, "r"), "the release was carried out before its acquire");
    assert!(connections().contains(&own), "the node has connected anew");
}

#[tokio::test]
async fn a_sentinel_that_hangs_and_one_that_is_dead_hold_up_nothing() {
    let mut deployment = Sentinel::start(0, 5).unwrap();
    deployment.sentinels()[0].stop();
    deployment.sentinels()[1].kill();
    for _ in 0..3 {
        let node = node(&deployment);
        let first = until(RETURN, || votes(&node)).await;
        assert!(first < RETURN);
    }
    // Fewer than half are left: their word is all there is.
    deployment.sentinels()[2].stop();
    let node = node(&deployment);
    until(RETURN, || votes(&node)).await;
}

#[tokio::test]
async fn without_any_sentinel_the_node_is_out_and_says_why_and_comes_back() {
    let mut deployment = Sentinel::start(0, 1).unwrap();
    let node = node(&deployment);
    let (name, mine) = (resource("r"), token("mine"));
    deployment.sentinels()[0].kill();
    let error = node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("none of its sentinels has answered"), "{error}");
    deployment.sentinels()[0].restart().unwrap();
    until(RETURN, || votes(&node)).await;

    let stranger = RedisNode::sentinel("stranger", deployment.urls()).unwrap();
    let error = stranger.acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    let words = "sentinel:stranger rejected the request: its sentinels know no master of this name";
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn sentinels_and_master_have_passwords_of_their_own() {
    let (of_servers, of_sentinels) = (Options::new().password("p"), Options::new().password("q"));
    let deployment = Sentinel::with(0, 1, &of_servers, &of_sentinels).unwrap();
    let urls = deployment.urls();
    let open = |master| RedisNode::sentinel_with(Sentinel::NAME, &urls, master).unwrap();
    assert!(votes(&open("redis://:p@master/3")).await);
    let (name, mine) = (resource("r"), token("mine"));
    let error = open("redis://:q@master").acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");

    let keyless =
        [format!("redis://127.0.0.1:{}", deployment.urls()[0].rsplit(':').next().unwrap())];
    let node = RedisNode::sentinel_with(Sentinel::NAME, keyless, "redis://:p@master").unwrap();
    let error = node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert!(error.to_string().contains("none of its sentinels has answered"), "{error}");
}

#[tokio::test]
async fn a_dropped_node_hangs_up_on_the_sentinels_too() {
    let mut deployment = Sentinel::start(0, 1).unwrap();
    let node = node(&deployment);
    let sentinel = &deployment.sentinels()[0];
    let listeners = || -> usize {
        let clients: String = sentinel.cmd(&["CLIENT", "LIST"]).unwrap();
        clients.lines().filter(|line| line.contains("cmd=subscribe")).count()
    };
    assert!(votes(&node).await);
    until(PATIENCE, async || listeners() == 1).await;
    drop(node);
    until(PATIENCE, async || listeners() == 0).await;
}

#[tokio::test]
async fn after_a_switch_of_the_master_nobody_goes_on_listening_to_the_former() {
    let deployment =
        Arc::new(tokio::task::spawn_blocking(|| Sentinel::start(1, 3).unwrap()).await.unwrap());
    // One of them asks for votes as well, the other listens only.
    let (asking, silent) = (node(&deployment), node(&deployment));
    assert!(votes(&asking).await);
    let name = resource("r");
    let listen = async |node: &RedisNode| node.notifications().unwrap().subscribe(&name).await.ok();
    let mut heard = [listen(&asking).await.unwrap(), listen(&silent).await.unwrap()];
    let switching = Arc::clone(&deployment);
    let switched = tokio::task::spawn_blocking(move || {
        let former = switching.master().unwrap().port();
        switching.switch().unwrap();
        switching.wait_for_promotion(former).unwrap();
    });
    switched.await.unwrap();
    for notices in &mut heard {
        assert_eq!(timeout(2 * PATIENCE, notices.next()).await.unwrap(), None);
    }
    for node in [&asking, &silent] {
        until(PATIENCE, || async { listen(node).await.is_some() }).await;
        let mut notices = listen(node).await.unwrap();
        let master = deployment.master().unwrap();
        let channels: Vec<String> = master.cmd(&["PUBSUB", "CHANNELS", "redlocks:*"]).unwrap();
        assert_eq!(channels.len(), 1);
        until(RETURN, || votes(node)).await;
        node.notifications().unwrap().notify(&name).await.unwrap();
        assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_former_master_that_is_well_is_not_listened_to_for_ever() {
    let mut deployment = Sentinel::start(0, 1).unwrap();
    let other = Server::start().unwrap();
    let node = node(&deployment);
    let (name, port) = (resource("r"), other.port().to_string());
    let notifications = node.notifications().unwrap();
    let mut notices = notifications.subscribe(&name).await.unwrap();
    let sentinel = &deployment.sentinels()[0];
    // Of this it tells nobody, and the former master knows nothing of it.
    sentinel.cmd::<()>(&["SENTINEL", "REMOVE", Sentinel::NAME]).unwrap();
    let monitor = ["SENTINEL", "MONITOR", Sentinel::NAME, "127.0.0.1", &port, "1"];
    sentinel.cmd::<()>(&monitor).unwrap();
    assert_eq!(timeout(2 * PATIENCE, notices.next()).await.unwrap(), None);
    let mut notices = notifications.subscribe(&name).await.unwrap();
    other.cmd::<()>(&["PUBLISH", "redlocks:released:{r}", "-"]).unwrap();
    assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_some());
}

#[test]
fn bad_urls_are_named_when_the_node_is_made() {
    let none: [&str; 0] = [];
    let error = RedisNode::sentinel("m", none).unwrap_err().to_string();
    assert_eq!(error, "the url of the node is missing: there must be at least one");
    let error =
        RedisNode::sentinel("m", ["redis://h", "http://:secret@h"]).unwrap_err().to_string();
    assert!(error.starts_with("url 2 does not start with"), "{error}");
    let error = RedisNode::sentinel_with("m", ["redis://h"], "h").unwrap_err().to_string();
    assert!(error.starts_with("the url of the node does not start with"), "{error}");
    let error = RedisNode::sentinel_with("m", ["redis://h"], "unix:///s").unwrap_err().to_string();
    assert!(error.starts_with("the url of the node is that of a socket"), "{error}");
    let error = RedisNode::sentinel("", ["redis://h"]).unwrap_err().to_string();
    assert!(error.starts_with("the url of the node is for the master of an empty name"), "{error}");
}
