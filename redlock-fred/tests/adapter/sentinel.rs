//! A master that hangs, on sentinels that promote.

#[path = "../../../redlock-wire/tests/adapters/promotion.rs"]
mod promotion;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use redlock_core::{FailureKind, LockNode, Vote};
use redlock_fred::FredNode;
use redlock_testkit::server::Sentinel;
use tokio::{task::spawn_blocking, time::timeout};

use crate::common::{PATIENCE, RETURN, exists, resource, token, ttl, until, votes};

fn node(deployment: &Sentinel) -> FredNode {
    FredNode::sentinel(Sentinel::NAME, deployment.urls()).unwrap()
}

async fn start() -> (Arc<Sentinel>, FredNode) {
    let deployment = spawn_blocking(|| Sentinel::start(1, 3).unwrap()).await.unwrap();
    let node = node(&deployment);
    assert!(votes(&node).await);
    (Arc::new(deployment), node)
}

#[tokio::test]
async fn a_master_that_hangs_is_left_once_another_is_promoted() {
    let (deployment, node) = start().await;
    let before = node.identity();
    let hangs = Arc::clone(&deployment);
    let happens = spawn_blocking(move || {
        let master = hangs.master().unwrap();
        master.stop();
        hangs.wait_for_promotion(master.port()).unwrap();
    });
    while !happens.is_finished() {
        votes(&node).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    happens.await.unwrap();
    let waited = until(PATIENCE, || votes(&node)).await;
    assert!(waited < 2 * RETURN, "{waited:?}");
    assert_ne!(node.identity(), before);
}

#[tokio::test]
async fn a_master_that_hangs_shortly_keeps_its_connection_and_the_order_on_it() {
    let (deployment, node) = start().await;
    let node = node.response_timeout(Duration::from_millis(50));
    assert!(votes(&node).await);
    let master = deployment.master().unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    master.stop();
    let late = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    let late = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    // Long enough for the doubt to be looked into.
    tokio::time::sleep(Duration::from_millis(300)).await;
    master.cont();
    until(PATIENCE, || votes(&node)).await;
    assert!(!exists(master, "r"), "the release was carried out before its acquire");
}

#[tokio::test]
async fn who_listens_to_a_master_that_is_replaced_is_told_and_then_hears_the_new_one() {
    let (deployment, node) = start().await;
    let listens = node.notifications().unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    let mut notices = listens.subscribe(&name).await.unwrap();
    let hangs = Arc::clone(&deployment);
    let happens = spawn_blocking(move || {
        let master = hangs.master().unwrap();
        master.stop();
        hangs.wait_for_promotion(master.port()).unwrap();
    });
    assert_eq!(timeout(PATIENCE, notices.next()).await.unwrap(), None);
    happens.await.unwrap();
    until(PATIENCE, || async {
        let Ok(mut notices) = listens.subscribe(&name).await else { return false };
        let Ok(Vote::Granted { .. }) = node.acquire(&name, &mine, ttl(60_000)).await else {
            return false;
        };
        listens.release_and_notify(&name, &mine).await.unwrap();
        timeout(PATIENCE, notices.next()).await.unwrap().is_some()
    })
    .await;
}
