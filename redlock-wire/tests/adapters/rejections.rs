//! What a server that will not, and what is no Redis server at all, means for a lock.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::common::{
    Node, PATIENCE, RETURN, UNWELCOME, exists, node, pttl, resource, token, ttl, until, votes,
};
use redlock_core::{Delivery, FailureKind, LockNode, NodeError, Vote};
use redlock_testkit::server::{Options, Server};

async fn acquire(node: &Node) -> Result<Vote, NodeError> {
    node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await
}

/// The server turned the acquire away with these words, and did not carry it out.
async fn is_rejected(node: &Node, words: &str) {
    is_rejected_as(node, words, Delivery::Refused).await;
}

async fn is_rejected_as(node: &Node, words: &str, delivery: Delivery) {
    let error = acquire(node).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), delivery, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_a_rejection_before_anything_is_sent() {
    let server = Options::new().password("right").start().unwrap();
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let error = acquire(&Node::open(&url).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn no_password_where_one_is_needed_is_a_rejection() {
    let server = Options::new().password("right").start().unwrap();
    let url = format!("redis://127.0.0.1:{}", server.port());
    is_rejected_as(&Node::open(&url).unwrap(), "NOAUTH", Delivery::NotSent).await;
    assert!(!exists(&server, "r"));
    assert_eq!(acquire(&node(&server)).await.unwrap(), Vote::granted());
}

#[tokio::test]
async fn a_missing_permission_is_a_rejection() {
    let server = Server::start().unwrap();
    let user = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-set"];
    server.cmd::<()>(&user).unwrap();
    let url = format!("redis://u:p@127.0.0.1:{}", server.port());
    is_rejected(&Node::open(&url).unwrap(), "permissions").await;
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn permissions_for_seven_commands_on_its_keys_are_enough() {
    let server = Server::start().unwrap();
    let mut user = vec!["ACL", "SETUSER", "u", "on", ">p", "~lock:*"];
    user.extend(["+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha"]);
    server.cmd::<()>(&user).unwrap();
    let url = format!("redis://u:p@127.0.0.1:{}", server.port());
    let node = Node::open(&url).unwrap();
    let (name, mine, theirs) = (resource("lock:r"), token("mine"), token("theirs"));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    let refused = node.acquire(&name, &theirs, ttl(60_000)).await.unwrap();
    assert!(matches!(refused, Vote::Refused(_)));
    assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    node.inspect(&name).await.unwrap();
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    assert_eq!(node.identity(), None);
    is_rejected(&node, "permissions").await;
}

#[tokio::test]
async fn a_key_that_scripts_may_not_delete_is_not_called_released() {
    let server = Server::start().unwrap();
    let user = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-del"];
    server.cmd::<()>(&user).unwrap();
    let url = format!("redis://u:p@127.0.0.1:{}", server.port());
    let node = Node::open(&url).unwrap();
    acquire(&node).await.unwrap();
    let error = node.release(&resource("r"), &token("mine")).await.unwrap_err();
    assert_eq!(error.failure().kind, FailureKind::Rejected);
    assert_eq!(error.failure().delivery, Delivery::Refused);
    assert!(exists(&server, "r"));
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_does_not_vote_and_is_then_refused_as_one() {
    let server = Server::start().unwrap();
    let node = node(&server);
    assert_eq!(acquire(&node).await.unwrap(), Vote::granted());
    server.make_read_only().unwrap();
    is_rejected(&node, "READONLY You can't write").await;
    // It has connected anew: the name may lead elsewhere by now.
    for _ in 0..2 {
        let error = acquire(&node).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        assert!(error.to_string().contains("it is a replica"), "{error}");
    }
    server.promote().unwrap();
    until(RETURN, || async { acquire(&node).await.is_ok() }).await;
}

#[tokio::test]
async fn a_replica_neither_releases_nor_tells_what_it_may_not() {
    let server = Server::start().unwrap();
    let user = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-info"];
    server.cmd::<()>(&user).unwrap();
    // It does not learn whom it talks to, and has only the answers to go by.
    let node = Node::open(&format!("redis://u:p@127.0.0.1:{}", server.port())).unwrap();
    assert_eq!(acquire(&node).await.unwrap(), Vote::granted());
    server.make_read_only().unwrap();
    is_rejected(&node, "READONLY You can't write").await;
    let error = node.release(&resource("r"), &token("mine")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    server.cmd::<()>(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert!(error.to_string().contains("MASTERDOWN"), "{error}");
}

#[tokio::test]
async fn a_server_out_of_memory_rejects_but_still_extends_and_releases() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (held, mine) = (resource("held"), token("mine"));
    node.acquire(&held, &mine, ttl(60_000)).await.unwrap();
    server.fill_memory().unwrap();
    // Also when the scripts have to be sent again.
    server.flush_scripts().unwrap();
    is_rejected(&node, "OOM").await;
    assert_eq!(node.extend(&held, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    assert!(pttl(&server, "held") > 80_000);
    assert_eq!(node.release(&held, &mine).await.unwrap(), Vote::granted());
    assert!(!exists(&server, "held") && !exists(&server, "r"));
}

#[tokio::test]
async fn a_server_without_enough_replicas_rejects() {
    let server = Server::start().unwrap();
    let node = node(&server);
    server.cmd::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]).unwrap();
    is_rejected(&node, "NOREPLICAS").await;
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn a_server_that_cannot_save_rejects() {
    let server = Server::start().unwrap();
    let node = node(&server);
    if UNWELCOME == Delivery::NotSent {
        // Without a connection of before, this one would not be made.
        node.inspect(&resource("r")).await.unwrap();
    }
    server.cmd::<()>(&["CONFIG", "SET", "save", "3600 1"]).unwrap();
    fs::remove_dir_all(server.folder()).unwrap();
    server.cmd::<()>(&["BGSAVE"]).unwrap();
    until(PATIENCE, || async {
        let info: String = server.cmd(&["INFO", "persistence"]).unwrap();
        info.contains("rdb_last_bgsave_status:err")
    })
    .await;
    is_rejected(&node, "MISCONF").await;
    assert!(!exists(&server, "r"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_busy_with_a_script_rejects() {
    let server = Server::start().unwrap();
    let node = node(&server).response_timeout(PATIENCE);
    assert!(votes(&node).await);
    server.cmd::<()>(&["CONFIG", "SET", "lua-time-limit", "10"]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| server.cmd::<()>(&["EVAL", "while true do end", "0"]).unwrap_err());
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                until(PATIENCE, || async {
                    let name = resource(&format!("{:?}", std::time::Instant::now()));
                    node.acquire(&name, &token("mine"), ttl(60_000)).await.is_err()
                })
                .await;
                is_rejected(&node, "BUSY").await;
            });
        });
        server.cmd::<()>(&["SCRIPT", "KILL"]).unwrap();
    });
    assert!(!exists(&server, "r"));
}

/// What it cannot tell of itself at that moment would never be asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_when_it_is_connected_to_is_looked_at_before_it_votes() {
    let evicting = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Options::new().args(evicting).start().unwrap();
    server.cmd::<()>(&["CONFIG", "SET", "lua-time-limit", "10"]).unwrap();
    let node = node(&server).response_timeout(PATIENCE).connect_timeout(PATIENCE);
    thread::scope(|scope| {
        scope.spawn(|| server.cmd::<()>(&["EVAL", "while true do end", "0"]).unwrap_err());
        let pinged = || server.cmd::<()>(&["PING"]);
        let is_busy = || pinged().is_err_and(|error| error.to_string().contains("BUSY"));
        while !is_busy() {
            thread::yield_now();
        }
        let asked = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(acquire(&node))
        });
        let identity = node.identity();
        // First, or a failure here would wait for the script.
        server.cmd::<()>(&["SCRIPT", "KILL"]).unwrap();
        let error = asked.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
        assert!(error.to_string().contains("BUSY"), "{error}");
        assert!(identity.is_none());
    });
    until(PATIENCE, || async {
        let error = acquire(&node).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        error.to_string().contains("may evict held locks")
    })
    .await;
    assert!(!exists(&server, "r"));
}

#[tokio::test]
async fn a_server_that_is_still_loading_rejects() {
    // Slow enough to be seen loading: microseconds per key.
    let slow = Options::new().persistent().args(["--key-load-delay", "100"]);
    let mut server = slow.start().unwrap();
    let fill = "for i = 1, 8192 do redis.call('SET', i, i) end";
    server.cmd::<()>(&["EVAL", fill, "0"]).unwrap();
    server.kill();
    server.restart_loading().unwrap();
    let node = node(&server).response_timeout(PATIENCE).connect_timeout(PATIENCE);
    is_rejected_as(&node, "LOADING", UNWELCOME).await;
    assert_eq!(node.identity().is_some(), UNWELCOME == Delivery::Refused);
    until(PATIENCE, || async { acquire(&node).await.is_ok() }).await;
    assert!(node.identity().is_some());
}

/// Something that listens, and does this to whoever connects.
fn listener(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

async fn fails(address: SocketAddr, kind: FailureKind) {
    let node = Node::open(&format!("redis://{address}")).unwrap();
    let node = node.connect_timeout(Duration::from_millis(200));
    let error = acquire(&node).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    // Said again at once, without asking again.
    assert_eq!(acquire(&node).await.unwrap_err().kind(), kind);
}

#[tokio::test]
async fn a_web_server_gives_an_answer_that_is_not_understood() {
    let address = listener(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    fails(address, FailureKind::Protocol).await;
}

#[tokio::test]
async fn who_hangs_up_is_unreachable() {
    fails(listener(drop), FailureKind::Unreachable).await;
}

#[tokio::test]
async fn who_listens_and_says_nothing_is_late() {
    let address = listener(|stream| {
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    fails(address, FailureKind::TimedOut).await;
}

#[tokio::test]
async fn a_port_where_nobody_listens_and_a_name_that_does_not_exist_are_unreachable() {
    let mut server = Server::start().unwrap();
    server.kill();
    fails(SocketAddr::from(([127, 0, 0, 1], server.port())), FailureKind::Unreachable).await;

    let nowhere = Node::open("redis://no-such-host.invalid").unwrap();
    let error = acquire(&nowhere.connect_timeout(PATIENCE)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);

    let socket = Node::open("unix:///no/such/socket").unwrap();
    let error = acquire(&socket).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
}
