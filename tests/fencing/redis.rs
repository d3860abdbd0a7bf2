//! The script of the example `fenced_redis`, on a server.

use std::time::Duration;

use redlock_testkit::{
    MemoryNode,
    server::{Server, Servers},
};
use redlocks::{
    Fence, Redlock, Renewal, Stale,
    redis_rs::{
        RedisNode,
        redis::{AsyncCommands, Client, aio::MultiplexedConnection},
    },
};

use crate::fenced_redis::{enter, write};

async fn connect(server: &Server) -> MultiplexedConnection {
    let client = Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The numbers of two holders, of whom the first kept the lock for as long as it lasts. It is kept
/// in memory, for it is the resource that is on the server.
async fn holders() -> [Fence; 2] {
    let nodes = MemoryNode::cluster(3);
    let client = || Redlock::builder().nodes(nodes.clone()).fencing(true).build().unwrap();
    one_after_the_other(client(), client()).await
}

async fn one_after_the_other(alice: Redlock, bob: Redlock) -> [Fence; 2] {
    let lock = alice.lock("r").ttl(Duration::from_millis(500)).renewal(Renewal::off());
    let hers = lock.acquire().await.unwrap();
    let his = bob.lock("r").acquire_within(Duration::from_secs(60)).await.unwrap();
    assert!(!hers.is_valid());
    [hers.fencing_token().unwrap(), his.fencing_token().unwrap()]
}

#[tokio::test]
async fn a_late_write_is_refused() {
    let server = Server::start().unwrap();
    let [alices, bobs] = holders().await;
    assert_late_write_is_refused(&server, alices, bobs).await;
}

/// One of which is the resource as well.
#[tokio::test]
async fn a_late_write_is_refused_with_numbers_of_real_nodes() {
    let servers = Servers::start(3).unwrap();
    let client = || {
        let nodes = servers.iter().map(|server| RedisNode::open(&server.url()).unwrap());
        Redlock::builder().nodes(nodes).fencing(true).build().unwrap()
    };
    let [alices, bobs] = one_after_the_other(client(), client()).await;
    assert_late_write_is_refused(&servers[0], alices, bobs).await;
}

async fn assert_late_write_is_refused(server: &Server, alices: Fence, bobs: Fence) {
    assert!(alices < bobs);
    let mut connection = connect(server).await;
    assert_eq!(enter(&mut connection, "key", bobs).await.unwrap(), Ok(None));
    write(&mut connection, "key", bobs, b"bob").await.unwrap().unwrap();
    for late in [
        write(&mut connection, "key", alices, b"alice").await.unwrap(),
        enter(&mut connection, "key", alices).await.unwrap().map(drop),
    ] {
        assert_eq!(late, Err(Stale::new(alices, bobs)));
    }
    let stands = enter(&mut connection, "key", bobs).await.unwrap();
    assert_eq!(stands, Ok(Some(b"bob".to_vec())));
}

#[tokio::test]
async fn without_the_check_the_late_write_wins() {
    let server = Server::start().unwrap();
    let mut connection = connect(&server).await;
    holders().await;
    for name in ["bob", "alice"] {
        let () = connection.hset("key", "value", name).await.unwrap();
    }
    let stands: String = connection.hget("key", "value").await.unwrap();
    assert_eq!(stands, "alice");
}

/// The largest and its neighbour, which a double that is rounded would take for one.
#[tokio::test]
async fn numbers_are_compared_exactly_up_to_the_largest() {
    let server = Server::start().unwrap();
    let mut connection = connect(&server).await;
    for text in ["first", "again"] {
        write(&mut connection, "key", Fence::MAX, text.as_bytes()).await.unwrap().unwrap();
    }
    let late = write(&mut connection, "key", Fence::MAX.before(), b"late").await.unwrap();
    assert_eq!(late, Err(Stale::new(Fence::MAX.before(), Fence::MAX)));
    let stored: String = connection.hget("key", "fence").await.unwrap();
    assert_eq!(stored, Fence::MAX.to_string());
}

/// The next holder shows his fence and then reads: what comes late is refused from there on, although
/// he has written nothing yet.
#[tokio::test]
async fn showing_the_fence_is_enough_to_keep_others_out() {
    let server = Server::start().unwrap();
    let mut connection = connect(&server).await;
    let (alices, bobs) = (Fence::new(33), Fence::new(34));
    write(&mut connection, "key", alices, b"alice").await.unwrap().unwrap();
    let read = enter(&mut connection, "key", bobs).await.unwrap();
    assert_eq!(read, Ok(Some(b"alice".to_vec())));
    let late = write(&mut connection, "key", alices, b"late").await.unwrap();
    assert_eq!(late, Err(Stale::new(alices, bobs)));
}
