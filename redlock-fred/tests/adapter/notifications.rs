//! Those who wait are told of releases, whatever the client library makes of it.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream::BoxStream};
use redlock_core::{Delivery, FailureKind, LockNode, NodeError, Notice, Notifications, Vote};
use redlock_fred::{
    FredNode,
    fred::{
        clients::Pool,
        interfaces::{ClientLike, EventInterface},
        types::{RespVersion, config::Config},
    },
};
use redlock_testkit::server::Server;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    common::{
        Node, PATIENCE, connected, node, poll_and_drop, resource, settings, token, ttl, until,
        votes,
    },
    scripted,
};

type Notices = BoxStream<'static, Notice>;

fn notifications(node: &Node) -> &dyn Notifications {
    node.notifications().unwrap()
}

async fn subscribe(node: &Node, name: &str) -> Result<Notices, NodeError> {
    notifications(node).subscribe(&resource(name)).await
}

async fn next(notices: &mut Notices) -> Option<Notice> {
    timeout(PATIENCE, notices.next()).await.unwrap()
}

/// A lock is taken and given up, and who listens hears of it.
async fn is_heard(node: &Node, name: &str, notices: &mut Notices) {
    let (name, mine) = (resource(name), token("mine"));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    let told = notifications(node).release_and_notify(&name, &mine).await.unwrap();
    assert_eq!(told.vote, Vote::granted());
    assert_eq!(next(notices).await.unwrap().holder, Some(mine.fingerprint()));
}

/// Both versions of the protocol, for a user who may listen to some channels only.
fn with_limits(server: &Server) -> [Node; 2] {
    let user = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "resetchannels"];
    let channels = ["&redlocks:released:{may*", "&redlocks:released:{also*"];
    server.cmd::<()>(&[&user[..], &channels].concat()).unwrap();
    ["resp2", "resp3"].map(|version| {
        let url = format!("redis://u:p@127.0.0.1:{}?protocol={version}", server.port());
        Node::open(&url).unwrap()
    })
}

#[tokio::test]
async fn a_subscription_that_is_refused_disturbs_none_that_is_not() {
    let server = Server::start().unwrap();
    for node in with_limits(&server) {
        let mut notices = subscribe(&node, "may").await.unwrap();
        for _ in 0..20 {
            let error = subscribe(&node, "must not").await.err().unwrap();
            assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
            assert!(error.to_string().contains("NOPERM"), "{error}");
            let also = subscribe(&node, "also").await.unwrap();
            is_heard(&node, "may", &mut notices).await;
            drop(also);
        }
        // The command connection, and one to listen on.
        assert_eq!(server.connections().unwrap().len(), 2);
        drop((node, notices));
        until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
    }
}

#[tokio::test]
async fn a_user_may_be_for_listening_only_or_not_at_all() {
    let server = Server::start().unwrap();
    let user = ["ACL", "SETUSER", "listens", "on", ">p", "resetchannels", "&redlocks:*"];
    server.cmd::<()>(&[&user[..], &["+subscribe", "+unsubscribe", "+ping"]].concat()).unwrap();
    let user = ["ACL", "SETUSER", "tells", "on", ">p", "allkeys", "allchannels", "+@all"];
    server.cmd::<()>(&[&user[..], &["-subscribe", "-unsubscribe", "-ping"]].concat()).unwrap();
    let [listens, tells] = ["listens", "tells"]
        .map(|name| Node::open(&format!("redis://{name}:p@127.0.0.1:{}", server.port())).unwrap());
    let mut notices = subscribe(&listens, "r").await.unwrap();
    is_heard(&tells, "r", &mut notices).await;
    drop((notices, subscribe(&listens, "other").await.unwrap()));
    // Whatever else is forbidden, what was asked for is named.
    let error = subscribe(&tells, "r").await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert!(error.to_string().contains("'subscribe'"), "{error}");
}

#[tokio::test]
async fn of_many_who_subscribe_at_once_only_those_are_refused_who_must_not_listen() {
    let server = Server::start().unwrap();
    for node in with_limits(&server) {
        let names: Vec<_> = (0..60)
            .map(|number| match number % 3 {
                0 => format!("must not {number}"),
                _ => format!("may {number}"),
            })
            .collect();
        let asked = join_all(names.iter().map(|name| subscribe(&node, name))).await;
        let mut heard = 0;
        for (name, notices) in names.iter().zip(asked) {
            match notices {
                Ok(mut notices) => {
                    assert!(name.starts_with("may"), "{name}");
                    notifications(&node).notify(&resource(name)).await.unwrap();
                    assert_eq!(next(&mut notices).await.unwrap().holder, None);
                    heard += 1;
                }
                Err(error) => assert!(name.starts_with("must not"), "{name}: {error}"),
            }
        }
        assert_eq!(heard, 40);
    }
}

#[tokio::test]
async fn many_who_subscribe_at_once_cost_one_connection_and_few_commands() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let all = join_all(names.iter().map(|name| subscribe(&node, name))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.connections().unwrap().len(), 1);
    assert!(server.calls("subscribe").unwrap() < 10);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_refusal_it_goes_with_is_not_taken_for_another() {
    for millis in [0, 5, 40] {
        let address = scripted::refusing("must not", Duration::from_millis(millis));
        let node = Node::open(&format!("redis://{address}")).unwrap();
        let mut notices = subscribe(&node, "may").await.unwrap();
        for _ in 0..3 {
            let error = subscribe(&node, "must not").await.err().unwrap();
            assert!(error.to_string().contains("NOPERM"), "{error}");
            let _also = subscribe(&node, "also").await.unwrap();
        }
        assert!(futures::poll!(notices.next()).is_pending(), "the stream has ended");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_everything_and_does_not_take_for_ever() {
    let address = scripted::refusing("must not", 2 * PATIENCE);
    let node = Node::open(&format!("redis://{address}")).unwrap();
    let mut notices = subscribe(&node, "may").await.unwrap();
    let error = subscribe(&node, "must not").await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::TimedOut, "{error}");
    assert_eq!(next(&mut notices).await, None);
    // With another connection it goes on.
    assert!(subscribe(&node, "may").await.is_ok());
}

#[tokio::test]
async fn more_notices_than_anybody_keeps_leave_each_listener_one_at_least() {
    let server = Server::start().unwrap();
    // Whatever else this machine has to do: that nothing is lost silently is what matters.
    let node = node(&server).connect_timeout(PATIENCE).response_timeout(PATIENCE);
    let mut notices = subscribe(&node, "busy").await.unwrap();
    let quiet = subscribe(&node, "quiet").await.unwrap();
    let channels: Vec<String> = server.cmd(&["PUBSUB", "CHANNELS"]).unwrap();
    let busy = channels.iter().find(|channel| channel.contains("busy")).unwrap();
    let flood = "for i = 1, 20000 do redis.call('PUBLISH', ARGV[1], '0000000000000001 1') end";
    server.cmd::<()>(&["EVAL", flood, "0", busy]).unwrap();
    next(&mut notices).await.unwrap();
    // Who has heard nothing may have missed something, and is told that much.
    is_heard(&node, "busy", &mut skip_to_mine(notices)).await;
    is_heard(&node, "quiet", &mut skip_to_mine(quiet)).await;
}

/// Without those of the flood, and those that tell nothing.
fn skip_to_mine(notices: impl futures::Stream<Item = Notice> + Send + 'static) -> Notices {
    let mine = token("mine").fingerprint();
    notices.filter(move |notice| std::future::ready(notice.holder == Some(mine))).boxed()
}

#[tokio::test]
async fn the_streams_of_a_server_that_nobody_hears_go_on_while_it_answers() {
    let server = Server::start().unwrap();
    for node in with_limits(&server) {
        let mut notices = subscribe(&node, "may").await.unwrap();
        let before = server.calls("ping").unwrap();
        // It has been asked more than once whether it is there.
        until(PATIENCE, || async { server.calls("ping").unwrap() > before + 1 }).await;
        is_heard(&node, "may", &mut notices).await;
    }
}

#[tokio::test]
async fn clients_that_were_brought_along_are_listened_beside_and_not_on() {
    let server = Server::start().unwrap();
    let client = connected(&server).await;
    let resp3 = Config { version: RespVersion::RESP3, ..settings(&server) };
    let pool = Pool::new(resp3, None, None, None, 3).unwrap();
    pool.init().await.unwrap();
    let mut theirs = client.message_rx();
    for node in
        [FredNode::from_client("client", client.clone()), FredNode::from_pool("pool", pool.clone())]
    {
        let before = server.connections().unwrap().len();
        let mut notices = subscribe(&node, "r").await.unwrap();
        assert_eq!(server.connections().unwrap().len(), before + 1);
        is_heard(&node, "r", &mut notices).await;
        drop((node, notices));
        until(PATIENCE, || async { server.connections().unwrap().len() == before }).await;
    }
    assert!(theirs.try_recv().is_err(), "the owner of the client has heard what was not for him");
    client.ping::<()>(None).await.unwrap();
}

#[tokio::test]
async fn a_client_whose_settings_lead_nowhere_is_no_use_to_listen_and_says_so() {
    let server = Server::start().unwrap();
    let node = FredNode::from_client("client", connected(&server).await);
    let mut server = server;
    server.kill();
    let error = subscribe(&node, "r").await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
}

/// Passes connections on to the server at this port, whichever it is at the time.
fn forward(port: Arc<AtomicU16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port.load(Ordering::SeqCst))).unwrap();
            let ends = [(&client, &server), (&server, &client)];
            for (from, to) in ends.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                });
            }
        }
    });
    address
}

#[tokio::test]
async fn who_listens_to_a_server_that_the_node_has_left_is_told() {
    let servers = [Server::start().unwrap(), Server::start().unwrap()];
    let port = Arc::new(AtomicU16::new(servers[0].port()));
    let node = Node::open(&format!("redis://{}", forward(Arc::clone(&port)))).unwrap();
    assert!(votes(&node).await);
    let mut notices = subscribe(&node, "r").await.unwrap();
    // Another connection to the same server is no reason.
    servers[0].cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until(PATIENCE, || votes(&node)).await;
    is_heard(&node, "r", &mut notices).await;

    port.store(servers[1].port(), Ordering::SeqCst);
    servers[0].cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until(PATIENCE, || votes(&node)).await;
    assert_eq!(next(&mut notices).await, None);
    let mut notices = subscribe(&node, "r").await.unwrap();
    is_heard(&node, "r", &mut notices).await;
}

#[tokio::test]
async fn nothing_is_left_when_nobody_listens() {
    let server = Server::start().unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let node = node(&server);
    for polls in [0, 1, 2, 3, 10] {
        // At any stage of making the connection, and once it is made.
        poll_and_drop(subscribe(&node, "r"), polls).await;
        until(PATIENCE, || async { tasks() == 0 }).await;
        until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
    }
    // A stream does not need its node any more.
    let mut notices = subscribe(&node, "r").await.unwrap();
    drop(node);
    is_heard(&crate::common::node(&server), "r", &mut notices).await;
    drop(notices);
    until(PATIENCE, || async { tasks() == 0 }).await;
    until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
}
