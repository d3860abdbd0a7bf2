//! Those who wait are told of releases, over a connection that listens.

use futures::StreamExt;
use redlock_core::{FailureKind, LockNode, Vote};
use redlock_redis_rs::{RedisNode, redis::Client};
use redlock_testkit::server::Server;
use tokio::time::timeout;

use crate::common::{PATIENCE, resource, token, ttl};

#[tokio::test]
async fn a_connection_that_was_brought_along_cannot_listen_without_a_client() {
    let server = Server::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let nodes =
        [RedisNode::from_manager("m", manager), RedisNode::from_multiplexed("c", connection)];
    for node in nodes {
        assert!(node.notifications().is_none());
        let node = node.listening_with(client.clone());
        let notifications = node.notifications().unwrap();
        let (name, mine) = (resource("r"), token("mine"));
        let mut notices = notifications.subscribe(&name).await.unwrap();
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(notifications.release_and_notify(&name, &mine).await.unwrap().listeners, 1);
        let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
        assert_eq!(notice.holder, Some(mine.fingerprint()));
    }
}

#[test]
fn outside_of_a_runtime_nobody_subscribes() {
    let node = RedisNode::open("redis://127.0.0.1:1").unwrap();
    let name = resource("r");
    let subscribed = node.notifications().unwrap().subscribe(&name);
    let error = futures::executor::block_on(subscribed).err().unwrap();
    assert_eq!(error.kind(), FailureKind::Other, "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_of_this_machine_is_listened_to_as_well() {
    let server = Server::start().unwrap();
    let Some(path) = server.unix_socket() else { return };
    let node = RedisNode::open(&format!("unix://{}", path.display())).unwrap();
    let notifications = node.notifications().unwrap();
    let mut notices = notifications.subscribe(&resource("r")).await.unwrap();
    notifications.notify(&resource("r")).await.unwrap();
    assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_some());
}
