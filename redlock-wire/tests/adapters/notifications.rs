//! Those who wait are told of releases, and nothing depends on it.

use std::{collections::HashSet, time::Duration};

use super::common::{
    Node, PATIENCE, RETURN, exists, node, poll_and_drop, resource, token, ttl, until, votes,
};
use futures::{FutureExt, StreamExt, future::join_all, stream::BoxStream};
use redlock_core::{
    Announced, FailureKind, LockNode, NodeError, Notice, Notifications, ResourceSet, Vote,
};
use redlock_testkit::server::Server;
use tokio::{runtime::Builder, time::timeout};

type Notices = BoxStream<'static, Notice>;

fn notifications(node: &dyn LockNode) -> &dyn Notifications {
    node.notifications().unwrap()
}

async fn subscribe(node: &dyn LockNode, name: &str) -> Result<Notices, NodeError> {
    notifications(node).subscribe(&resource(name)).await
}

async fn next(notices: &mut Notices) -> Option<Notice> {
    timeout(PATIENCE, notices.next()).await.unwrap()
}

/// Takes a lock and gives it up, and tells.
async fn take_and_tell(node: &dyn LockNode, name: &str) -> Announced {
    let (name, mine) = (resource(name), token(name));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    let told = notifications(node).release_and_notify(&name, &mine).await.unwrap();
    assert_eq!(told.vote, Vote::granted());
    told
}

/// What is told when that is done.
fn of(name: &str, listeners: u32) -> Option<Notice> {
    Some(Notice { holder: Some(token(name).fingerprint()), listeners })
}

/// How many connections the server has that listen to something.
fn listening(server: &Server) -> usize {
    let clients: String = server.cmd(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
    clients.lines().count()
}

fn user(server: &Server, rules: &[&str]) -> Node {
    server
        .cmd::<()>(&[&["ACL", "SETUSER", "u", "reset", "on", ">p", "~*"], rules].concat())
        .unwrap();
    Node::open(&format!("redis://u:p@127.0.0.1:{}", server.port())).unwrap()
}

#[tokio::test]
async fn a_release_tells_who_has_subscribed_by_whom_and_to_how_many() {
    let server = Server::start().unwrap();
    let (holder, waiter) = (node(&server), node(&server));
    assert_eq!(take_and_tell(&holder, "r").await.listeners, 0);
    let mut first = subscribe(&waiter, "r").await.unwrap();
    let mut second = subscribe(&holder, "r").await.unwrap();
    assert_eq!(take_and_tell(&holder, "r").await.listeners, 2);
    assert_eq!(next(&mut first).await, of("r", 2));
    assert_eq!(next(&mut second).await, of("r", 2));
    notifications(&holder).notify(&resource("r")).await.unwrap();
    assert_eq!(next(&mut first).await, Some(Notice { holder: None, listeners: 1 }));
    assert!(first.next().now_or_never().is_none(), "something else was told");
}

#[tokio::test]
async fn nobody_is_told_of_what_is_not_released() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mut notices = subscribe(&node, "r").await.unwrap();
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    let told = notifications(&node).release_and_notify(&name, &mine).await.unwrap();
    assert_eq!(told, Announced { vote: Vote::not_held(), listeners: 0 });
    node.acquire(&name, &theirs, ttl(60_000)).await.unwrap();
    let told = notifications(&node).release_and_notify(&name, &mine).await.unwrap();
    assert!(matches!(told.vote, Vote::Refused(_)), "{told:?}");
    assert!(exists(&server, "r"));
    node.release(&name, &theirs).await.unwrap();
    server.cmd::<()>(&["LPUSH", "r", "not a lock"]).unwrap();
    let error = notifications(&node).release_and_notify(&name, &mine).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    server.cmd::<()>(&["DEL", "r"]).unwrap();
    // The first that comes is the first that was told.
    take_and_tell(&node, "r").await;
    assert_eq!(next(&mut notices).await, of("r", 1));
}

/// Whoever may read and tell but not delete, as on a server that takes no writes for want of replicas.
#[tokio::test]
async fn nobody_is_told_of_what_could_not_be_deleted() {
    let server = Server::start().unwrap();
    let (holder, waiter) = (user(&server, &["+@all", "-del", "allchannels"]), node(&server));
    let names = ["a", "b"].map(resource);
    let mut notices = Vec::new();
    for name in &names {
        notices.push(subscribe(&waiter, name.as_str()).await.unwrap());
    }
    let (mine, set) = (token("mine"), ResourceSet::new(names.clone()).unwrap());
    let sets = holder.sets().unwrap();
    assert_eq!(sets.acquire_all(&set, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    let told = sets.release_all_and_notify(&set, &mine).await;
    assert_eq!(told.unwrap_err().kind(), FailureKind::Rejected);
    let told = notifications(&holder).release_and_notify(&names[0], &mine).await;
    assert_eq!(told.unwrap_err().kind(), FailureKind::Rejected);
    for (notices, name) in notices.iter_mut().zip(["a", "b"]) {
        assert!(exists(&server, name));
        // The first that comes is the first that was told.
        server.cmd::<()>(&["DEL", name]).unwrap();
        take_and_tell(&waiter, name).await;
        assert_eq!(next(notices).await, of(name, 1), "it was told as free");
    }
}

#[tokio::test]
async fn names_of_any_characters_wake_only_their_own() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names =
        ["r", "*", "?", "[r]", "{r}", "{r}s", "r}s{", "}", "{}", "{", "\\*", "r\r\n", "ä", ":{r}"];
    let subscribed = names.map(|name| subscribe(&node, name));
    let mut all: Vec<_> = join_all(subscribed).await.into_iter().map(Result::unwrap).collect();
    for name in names {
        assert_eq!(take_and_tell(&node, name).await.listeners, 1, "{name:?}");
    }
    for (notices, name) in all.iter_mut().zip(names) {
        assert_eq!(next(notices).await, of(name, 1), "{name:?}");
        assert!(notices.next().now_or_never().is_none(), "{name:?} heard of another");
    }
}

#[tokio::test]
async fn many_subscribers_share_one_connection_which_goes_with_the_last() {
    let server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    assert_eq!(listening(&server), 0);
    let names: Vec<_> = (0..300).map(|number| format!("r{number}")).collect();
    let subscribed = join_all(names.iter().map(|name| subscribe(&node, name))).await;
    let mut all: Vec<_> = subscribed.into_iter().map(Result::unwrap).collect();
    assert_eq!(listening(&server), 1);
    take_and_tell(&node, "r299").await;
    assert_eq!(next(&mut all[299]).await, of("r299", 1));
    let last = all.pop();
    drop(all);
    let channels = || server.cmd::<Vec<String>>(&["PUBSUB", "CHANNELS"]).unwrap().len();
    until(PATIENCE, || async { channels() == 1 }).await;
    assert_eq!(listening(&server), 1);
    drop(last);
    until(PATIENCE, || async { server.connections().unwrap().len() == 1 }).await;
    let mut again = subscribe(&node, "r").await.unwrap();
    take_and_tell(&node, "r").await;
    assert_eq!(next(&mut again).await, of("r", 1));
}

#[tokio::test]
async fn when_the_server_dies_the_streams_end_and_its_return_can_be_listened_to() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    let mut all = [subscribe(&node, "a").await.unwrap(), subscribe(&node, "b").await.unwrap()];
    server.kill();
    for notices in &mut all {
        assert_eq!(next(notices).await, None);
    }
    let error = subscribe(&node, "a").await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    server.restart().unwrap();
    until(RETURN, || async { subscribe(&node, "a").await.is_ok() }).await;
    let mut notices = subscribe(&node, "a").await.unwrap();
    until(RETURN, || votes(&node)).await;
    take_and_tell(&node, "a").await;
    assert_eq!(next(&mut notices).await, of("a", 1));
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_its_streams_and_leaves_commands_alone() {
    let server = Server::start().unwrap();
    let node = node(&server);
    for _ in 0..10 {
        let mut notices = subscribe(&node, "r").await.unwrap();
        server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        take_and_tell(&node, "r").await;
        assert_eq!(next(&mut notices).await, None);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_not_listened_to_for_ever() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mut notices = subscribe(&node, "r").await.unwrap();
    assert!(votes(&node).await);
    server.stop();
    let error = subscribe(&node, "s").await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::TimedOut, "{error}");
    assert_eq!(next(&mut notices).await, None);
    server.cont();
    let mut notices = subscribe(&node, "r").await.unwrap();
    server.stop();
    // Nobody says anything now: the node finds out by itself.
    assert_eq!(next(&mut notices).await, None);
    server.cont();
}

#[tokio::test]
async fn without_the_permission_to_tell_a_release_is_a_release() {
    let server = Server::start().unwrap();
    let needed = ["+set", "+get", "+del", "+pttl", "+eval", "+evalsha"];
    let cases: [&[&str]; 4] = [
        &[],
        &["+publish", "resetchannels"],
        &["+publish", "+pubsub", "resetchannels", "&other:*"],
        &["+pubsub"],
    ];
    let listener = node(&server);
    let _notices = subscribe(&listener, "r").await.unwrap();
    for rules in cases {
        let node = user(&server, &[&needed, rules].concat());
        take_and_tell(&node, "r").await;
        assert!(!exists(&server, "r"), "{rules:?}");
        let error = notifications(&node).notify(&resource("r")).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        let error = subscribe(&node, "r").await.err().unwrap();
        assert_eq!(error.kind(), FailureKind::Rejected, "{rules:?}: {error}");
    }
}

#[tokio::test]
async fn permissions_that_the_documentation_names_are_enough() {
    let server = Server::start().unwrap();
    let rules = ["+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha", "+ping"];
    let more = ["+publish", "+subscribe", "+unsubscribe", "+pubsub|numsub", "&redlocks:*"];
    // Redis 6 cannot allow a part of a command by name.
    let probe = ["ACL", "SETUSER", "u", "+pubsub|numsub"];
    let more = more.map(|rule| match rule {
        "+pubsub|numsub" if server.cmd::<()>(&probe).is_err() => "+pubsub",
        rule => rule,
    });
    let node = user(&server, &[&rules[..], &["resetchannels"], &more].concat());
    let mut notices = subscribe(&node, "r").await.unwrap();
    assert_eq!(take_and_tell(&node, "r").await.listeners, 1);
    assert_eq!(next(&mut notices).await, of("r", 1));
    notifications(&node).notify(&resource("r")).await.unwrap();
    assert_eq!(next(&mut notices).await.unwrap().holder, None);
    drop(notices);
    until(PATIENCE, || async { listening(&server) == 0 }).await;
}

#[tokio::test]
async fn who_may_not_count_tells_all_the_same() {
    let server = Server::start().unwrap();
    let node = user(&server, &["+@all", "-pubsub", "allchannels"]);
    let mut notices = subscribe(&node, "r").await.unwrap();
    assert_eq!(take_and_tell(&node, "r").await.listeners, 1);
    assert_eq!(next(&mut notices).await, of("r", 1));
}

#[tokio::test]
async fn who_does_not_read_loses_notices_and_holds_up_nobody() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mut slow = subscribe(&node, "r").await.unwrap();
    let mut end = subscribe(&node, "end").await.unwrap();
    for _ in 0..100 {
        let told = (0..100).map(|_| async {
            notifications(&node).notify(&resource("r")).await.unwrap();
        });
        join_all(told).await;
    }
    take_and_tell(&node, "r").await;
    take_and_tell(&node, "end").await;
    assert_eq!(next(&mut end).await, of("end", 1));
    let kept: Vec<_> = std::iter::from_fn(|| slow.next().now_or_never().flatten()).collect();
    assert!((1..1_000).contains(&kept.len()), "{} are kept", kept.len());
    assert_eq!(kept.last().copied(), of("r", 1), "the newest is lost");
}

#[tokio::test]
async fn a_subscription_that_is_dropped_at_any_poll_is_none() {
    let server = Server::start().unwrap();
    let node = node(&server);
    for polls in 0..10_000 {
        let is_done = poll_and_drop(subscribe(&node, "r"), polls).await;
        if is_done {
            break;
        }
    }
    until(PATIENCE, || async { listening(&server) == 0 }).await;
    let mut notices = subscribe(&node, "r").await.unwrap();
    assert_eq!(take_and_tell(&node, "r").await.listeners, 1);
    assert_eq!(next(&mut notices).await, of("r", 1));
}

#[tokio::test]
async fn a_server_over_its_memory_and_one_that_has_forgotten_the_scripts_tell() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mut notices = subscribe(&node, "r").await.unwrap();
    let (name, mine) = (resource("r"), token("r"));
    for trouble in [Server::fill_memory, Server::flush_scripts] {
        node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
        trouble(&server).unwrap();
        let told = notifications(&node).release_and_notify(&name, &mine).await.unwrap();
        assert_eq!(told, Announced { vote: Vote::granted(), listeners: 1 });
        assert_eq!(next(&mut notices).await, of("r", 1));
        server.free_memory().unwrap();
    }
}

#[test]
fn each_runtime_listens_by_itself_and_its_streams_end_with_it() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let build = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (build(), build());
    let mut dying = first.block_on(subscribe(&node, "r")).unwrap();
    let mut living = second.block_on(subscribe(&node, "r")).unwrap();
    first.shutdown_timeout(PATIENCE);
    second.block_on(async {
        assert_eq!(next(&mut dying).await, None);
        until(PATIENCE, || async { listening(&server) == 1 }).await;
        take_and_tell(&node, "r").await;
        assert_eq!(next(&mut living).await, of("r", 1));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_come_and_go_all_the_time() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names: HashSet<_> = (0..4).map(|number| format!("r{number}")).collect();
    let one = |name: String| {
        let node = &node;
        async move {
            for round in 0..50_u64 {
                let mut notices = subscribe(node, &name).await.unwrap();
                notifications(node).notify(&resource(&name)).await.unwrap();
                assert!(next(&mut notices).await.is_some(), "{name} {round}");
                if round % 7 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    };
    let all = names.iter().flat_map(|name| (0..4).map(|_| one(name.clone())));
    timeout(6 * PATIENCE, join_all(all)).await.unwrap();
    until(PATIENCE, || async { listening(&server) == 0 }).await;
}
