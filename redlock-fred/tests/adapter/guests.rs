//! Clients and pools that the user brings along, with the settings that the library has by default,
//! or worse.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use futures::future::join_all;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Vote};
use redlock_fred::{
    FredNode,
    fred::{
        clients::{Client, Pool},
        interfaces::{ClientLike, EventInterface},
        types::config::{ConnectionConfig, ReconnectPolicy, ServerConfig},
    },
};
use redlock_testkit::server::Server;
use tokio::{runtime::Runtime, time::timeout};

use crate::common::{
    PATIENCE, RETURN, connected, exists, node, resource, settings, token, ttl, until, votes,
};

/// Eager to send everything again: more attempts than any test makes reconnections.
fn stubborn() -> ConnectionConfig {
    ConnectionConfig { max_command_attempts: 10, ..ConnectionConfig::default() }
}

/// Reconnects for ever, this long after each failure.
async fn returning(server: &Server, delay: u32) -> Client {
    let mut policy = ReconnectPolicy::new_constant(0, delay);
    policy.set_jitter(0);
    let client = Client::new(settings(server), None, Some(stubborn()), Some(policy));
    client.init().await.unwrap();
    client
}

/// Has an acquire sent, drops it, and returns when the server could have had it.
async fn send_and_drop(node: &FredNode, name: &str) {
    let (name, mine) = (resource(name), token("mine"));
    let mut acquire = pin!(node.acquire(&name, &mine, ttl(60_000)));
    for _ in 0..20 {
        assert!(futures::poll!(&mut acquire).is_pending());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_sent_and_dropped_is_not_sent_again_to_a_server_that_comes_back() {
    for users in [false, true] {
        let mut server = Server::start().unwrap();
        let node = match users {
            true => FredNode::from_client("client", returning(&server, 50).await),
            false => node(&server),
        };
        assert!(votes(&node).await);
        server.stop();
        send_and_drop(&node, "r").await;
        server.kill();
        server.restart().unwrap();
        until(PATIENCE, || votes(&node)).await;
        // In order behind whatever may still be waiting in the client.
        assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
        let keys: u64 = server.cmd(&["DBSIZE"]).unwrap();
        assert_eq!(
            server.calls("set").unwrap(),
            keys,
            "a command of before the restart was sent again"
        );
    }
}

#[tokio::test]
async fn what_was_dropped_between_two_connections_is_not_sent_when_its_time_is_over() {
    let mut server = Server::start().unwrap();
    // Long enough to ask in between, and far longer than an answer may take.
    let client = returning(&server, 1_500).await;
    let limit = Duration::from_millis(100);
    let node = FredNode::from_client("client", client.clone()).response_timeout(limit);
    assert!(votes(&node).await);
    let (mut ends, mut begins) = (client.error_rx(), client.reconnect_rx());
    server.restart().unwrap();
    timeout(PATIENCE, ends.recv()).await.unwrap().unwrap();
    // The client knows that its connection has ended, and takes requests all the same.
    let (name, mine) = (resource("r"), token("mine"));
    for _ in 0..50 {
        let mut acquire = pin!(node.acquire(&name, &mine, ttl(60_000)));
        assert!(futures::poll!(&mut acquire).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(begins.try_recv().is_err(), "the client is back too early for this to show anything");
    until(PATIENCE, || votes(&node)).await;
    assert!(!exists(&server, "r"));
    let keys: u64 = server.cmd(&["DBSIZE"]).unwrap();
    assert_eq!(server.calls("set").unwrap(), keys);
}

/// Stands before a server, and from the word on loses its answers and then the connection.
struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicBool>,
}

impl Proxy {
    fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&cuts);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, cut) = (client.unwrap(), Arc::clone(&cut));
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(from, to, || true));
                thread::spawn(move || pass(server, client, || !cut.swap(false, Ordering::SeqCst)));
            }
        });
        Self { address, cuts }
    }

    fn lose_the_next_answer(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, goes_on: impl Fn() -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || !goes_on() || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_answer_is_lost_is_carried_out_once() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port());
    let mut settings = settings(&server);
    let address = proxy.address;
    settings.server = ServerConfig::new_centralized("127.0.0.1", address.port());
    let policy = ReconnectPolicy::new_constant(0, 10);
    let client = Client::new(settings.clone(), None, Some(stubborn()), Some(policy));
    client.init().await.unwrap();
    let nodes = [FredNode::from_config(settings).unwrap(), FredNode::from_client("client", client)];
    for (number, node) in nodes.iter().enumerate() {
        assert!(votes(node).await);
        server.cmd::<()>(&["CONFIG", "RESETSTAT"]).unwrap();
        let (name, mine) = (resource(&format!("r{number}")), token("mine"));
        proxy.lose_the_next_answer();
        let error = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Closed, "{error}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        until(PATIENCE, || async { node.inspect(&name).await.is_ok() }).await;
        assert_eq!(server.calls("set").unwrap(), 1);

        proxy.lose_the_next_answer();
        let before = server.calls("evalsha").unwrap();
        let error = node.release(&name, &mine).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        until(PATIENCE, || async { node.inspect(&name).await.is_ok() }).await;
        assert!(!exists(&server, name.as_str()));
        // The release, and the look after it.
        assert_eq!(server.calls("evalsha").unwrap(), before + 2);
        assert_eq!(server.calls("eval").unwrap(), 0);
    }
}

#[tokio::test]
async fn a_client_that_has_no_connection_is_unreachable_at_once() {
    let mut server = Server::start().unwrap();
    let never = FredNode::from_client("never", Client::new(settings(&server), None, None, None));
    let client = returning(&server, 50).await;
    let node = FredNode::from_client("client", client.clone());
    assert!(votes(&node).await);
    server.kill();
    let (name, mine) = (resource("r"), token("mine"));
    let down = || async {
        let error = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
        (error.kind(), error.delivery()) == (FailureKind::Unreachable, Delivery::NotSent)
    };
    until(PATIENCE, down).await;
    let error = never.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.to_string(), "never unreachable: the client has no connection");
    assert_eq!(error.delivery(), Delivery::NotSent);

    server.restart().unwrap();
    until(RETURN, || votes(&node)).await;
    let before = node.identity();
    server.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    assert!(node.identity().is_some());
    assert_ne!(node.identity(), before, "who the server is was not asked again");
    client.quit().await.unwrap();
    assert!(!votes(&node).await);
}

#[tokio::test]
async fn in_a_pool_no_release_overtakes_its_acquire() {
    let server = Server::start().unwrap();
    let pool = Pool::new(settings(&server), None, None, None, 8).unwrap();
    pool.init().await.unwrap();
    let node = FredNode::from_pool("pool", pool).response_timeout(Duration::from_millis(200));
    let names: Vec<_> = (0..100).map(|number| resource(&format!("r{number}"))).collect();
    let mine = token("mine");
    join_all(names.iter().map(|name| node.inspect(name))).await;
    assert_eq!(server.connections().unwrap().len(), 8);

    // All eight connections have something to read when the server goes on.
    server.stop();
    let acquires = names.iter().map(|name| node.acquire(name, &mine, ttl(60_000)));
    for late in join_all(acquires).await {
        assert_eq!(late.unwrap_err().kind(), FailureKind::TimedOut);
    }
    let releases = names.iter().map(|name| node.release(name, &mine));
    for late in join_all(releases).await {
        assert_eq!(late.unwrap_err().kind(), FailureKind::TimedOut);
    }
    server.cont();
    until(PATIENCE, || async { node.inspect(&names[0]).await.is_ok() }).await;
    for name in &names {
        assert_eq!(node.inspect(name).await.unwrap(), Inspection::Free, "{name}");
    }
    assert_eq!(server.calls("set").unwrap(), 100);

    // And each connection has its share of the resources.
    server.cmd::<()>(&["CONFIG", "RESETSTAT"]).unwrap();
    let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
    assert_eq!(clients.lines().filter(|line| line.contains("cmd=evalsha")).count(), 8, "{clients}");
}

#[tokio::test]
async fn all_calls_for_a_resource_go_over_one_connection_of_a_pool() {
    let server = Server::start().unwrap();
    let pool = Pool::new(settings(&server), None, None, None, 8).unwrap();
    pool.init().await.unwrap();
    let node = FredNode::from_pool("pool", pool.clone());
    let (name, mine) = (resource("r"), token("mine"));
    for _ in 0..20 {
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        // Another node over the same pool agrees, so it does not matter which of them is asked.
        let again = FredNode::from_pool("again", pool.clone());
        assert_eq!(again.release(&name, &mine).await.unwrap(), Vote::granted());
    }
    let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
    let used = clients.lines().filter(|line| line.contains("cmd=evalsha"));
    assert_eq!(used.count(), 1, "{clients}");
}

#[tokio::test]
async fn a_client_that_is_dropped_with_its_node_hangs_up_when_its_owner_quits() {
    let server = Server::start().unwrap();
    let client = connected(&server).await;
    let node = FredNode::from_client("client", client.clone());
    assert!(votes(&node).await);
    drop(node);
    // It is the owner's: the node must not have ended it.
    client.ping::<()>(None).await.unwrap();
    client.quit().await.unwrap();
    until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
}

#[test]
fn a_client_serves_all_runtimes_until_its_own_has_ended() {
    let server = Server::start().unwrap();
    let (home, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let node = FredNode::from_client("client", home.block_on(connected(&server)));
    assert!(other.block_on(votes(&node)));
    assert!(home.block_on(votes(&node)));
    drop(home);
    let name = resource("r");
    let error = other.block_on(async { timeout(PATIENCE, node.inspect(&name)).await });
    let error = error.unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed, "{error}");
    assert_eq!(server.connections().unwrap().len(), 0);
}

#[test]
fn without_a_runtime_a_call_fails_and_does_not_panic() {
    let node = FredNode::from_client("client", Client::default());
    let name = resource("r");
    let error = futures::executor::block_on(node.inspect(&name)).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Other);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("runtime"), "{error}");
}
