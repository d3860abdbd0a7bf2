//! What `PythonLockNode` says to a server, seen from beside it: the format of python-redis-lock, and
//! that no wake-up is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::BoxStream};
use redlock_core::{
    FailureKind, Inspection, LockNode, Notice, Notifications, Redlock, Refusal, Retry, Vote,
};
use redlock_redis_rs::{PythonLockNode, redis};
use redlock_testkit::server::{Options, Server};
use tokio::time::timeout;

use crate::common::{PATIENCE, exists, pttl, resource, token, ttl, until};

fn node(server: &Server) -> PythonLockNode {
    PythonLockNode::open(&server.url()).unwrap()
}

/// How many elements the signal of `r` has: one is what a release leaves.
fn signals(server: &Server) -> u64 {
    server.cmd(&["LLEN", "lock-signal:r"]).unwrap()
}

/// Somebody else who waits as python-redis-lock does, without an end: `true` when woken.
async fn asleep(server: &Server) -> tokio::task::JoinHandle<bool> {
    let client = redis::Client::open(server.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let before = blocked(server);
    let waiting = tokio::spawn(async move {
        let mut blpop = redis::cmd("BLPOP");
        let woken =
            blpop.arg("lock-signal:r").arg(0).query_async::<(String, String)>(&mut connection);
        woken.await.unwrap() == ("lock-signal:r".into(), "1".into())
    });
    until(PATIENCE, async || blocked(server) > before).await;
    waiting
}

/// How many connections wait for a signal at this moment.
fn blocked(server: &Server) -> u64 {
    let info: String = server.cmd(&["INFO", "clients"]).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
    line.trim_end().parse().unwrap()
}

/// Waits until whoever has listened is gone, and has put back what he had to: the task that is left
/// is that of the connection for everything else.
async fn settled() {
    let tasks = tokio::runtime::Handle::current();
    until(PATIENCE, async || tasks.metrics().num_alive_tasks() == 1).await;
}

async fn subscribed(node: &PythonLockNode) -> BoxStream<'static, Notice> {
    node.notifications().unwrap().subscribe(&resource("r")).await.unwrap()
}

/// Subscribed, and the server knows that somebody waits.
async fn waiting(node: &PythonLockNode, server: &Server) -> BoxStream<'static, Notice> {
    let before = blocked(server);
    let notices = subscribed(node).await;
    until(PATIENCE, async || blocked(server) > before).await;
    notices
}

async fn next(notices: &mut BoxStream<'static, Notice>) -> Notice {
    timeout(PATIENCE, notices.next()).await.unwrap().unwrap()
}

async fn take(node: &PythonLockNode, holder: &str) {
    let vote = node.acquire(&resource("r"), &token(holder), ttl(60_000)).await;
    assert_eq!(vote.unwrap(), Vote::granted());
}

async fn let_go(node: &PythonLockNode, holder: &str) {
    let notifications = node.notifications().unwrap();
    let told = notifications.release_and_notify(&resource("r"), &token(holder)).await.unwrap();
    assert_eq!(told.vote, Vote::granted());
    assert_eq!(told.listeners, 0, "nobody can know");
}

#[tokio::test]
async fn the_key_has_the_prefix_and_its_value_is_the_token() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "mine").await;
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
    assert_eq!(server.cmd::<String>(&["GET", "lock:r"]).unwrap(), "mine");
    assert!((59_000..=60_000).contains(&pttl(&server, "lock:r")));
    assert_eq!(server.calls("set").unwrap(), 1);
    assert_eq!(server.calls("eval").unwrap() + server.calls("evalsha").unwrap(), 0);
}

#[tokio::test]
async fn after_each_release_there_is_exactly_one_signal_for_its_lifetime() {
    let server = Server::start().unwrap();
    let nodes = [
        (node(&server), 1_000),
        (node(&server).signal_lifetime(ttl(30_000)), 30_000),
        (node(&server).signal_lifetime(ttl(500)), 500),
    ];
    for (node, lifetime) in &nodes {
        take(node, "mine").await;
        let_go(node, "mine").await;
        assert_eq!(server.keys().unwrap(), ["lock-signal:r"]);
        assert_eq!(signals(&server), 1);
        assert!((1..=*lifetime).contains(&pttl(&server, "lock-signal:r")));
    }
    until(PATIENCE, async || server.keys().unwrap().is_empty()).await;
}

#[tokio::test]
async fn what_frees_nothing_tells_nobody() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::not_held());
    take(&node, "theirs").await;
    let told = node.notifications().unwrap().release_and_notify(&name, &mine).await.unwrap();
    assert!(matches!(told.vote, Vote::Refused(Refusal::HeldByAnother { .. })), "{told:?}");
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
    assert_eq!(node.release(&name, &theirs).await.unwrap(), Vote::granted());
}

#[tokio::test]
async fn a_quiet_release_wakes_whoever_has_seen_the_lock_held() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, attempt) = (resource("r"), token("attempt"));
    take(&node, "attempt").await;
    let sleeper = asleep(&server).await;
    assert_eq!(node.release(&name, &attempt).await.unwrap(), Vote::granted());
    assert!(timeout(PATIENCE, sleeper).await.unwrap().unwrap());
    // Also if the call is dropped before it has finished.
    for polls in 1..100 {
        take(&node, "attempt").await;
        let sleeper = asleep(&server).await;
        let finished = crate::common::poll_and_drop(node.release(&name, &attempt), polls).await;
        assert!(timeout(PATIENCE, sleeper).await.expect("a wake-up is lost").unwrap());
        if finished {
            return;
        }
    }
    panic!("a release never ends");
}

#[tokio::test]
async fn a_quiet_release_leaves_the_signal_alone_if_somebody_takes_the_lock() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "a").await;
    assert_eq!(node.release(&resource("r"), &token("a")).await.unwrap(), Vote::granted());
    // This thread is the only one, so nothing else has happened since.
    assert_eq!(server.keys().unwrap(), Vec::<String>::new());
    server.cmd::<()>(&["SET", "lock:r", "b"]).unwrap();
    settled().await;
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
    assert!(server.calls("exists").unwrap() > 0, "nobody has looked");
}

#[tokio::test]
async fn one_release_wakes_one_and_the_next_release_the_next() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "a").await;
    let mut first = waiting(&node, &server).await;
    let mut second = waiting(&node, &server).await;
    // Released, and taken by another before anybody can look.
    let handed_on = "redis.call('RPUSH', 'lock-signal:r', 1) redis.call('SET', 'lock:r', 'b')";
    server.cmd::<()>(&["EVAL", handed_on, "0"]).unwrap();
    assert_eq!(next(&mut first).await, Notice { holder: None, listeners: 1 });
    assert_eq!(signals(&server), 0, "the signal is taken");
    assert!(second.next().now_or_never().is_none(), "only one is woken");
    drop(first);
    let_go(&node, "b").await;
    next(&mut second).await;
}

#[tokio::test]
async fn a_signal_left_before_is_heard_by_who_comes_late() {
    let server = Server::start().unwrap();
    let node = node(&server).signal_lifetime(ttl(60_000));
    take(&node, "mine").await;
    let_go(&node, "mine").await;
    let mut notices = subscribed(&node).await;
    assert!(next(&mut notices).now_or_never().is_some(), "it was there when subscribing ended");
    assert_eq!(signals(&server), 0);
}

#[tokio::test]
async fn a_waiter_that_goes_without_using_its_signal_puts_it_back() {
    let server = Server::start().unwrap();
    let node = node(&server);
    // Unread in the stream, or read and not used: for the one who sleeps it is the same.
    for heard in [false, true] {
        take(&node, "mine").await;
        let mut notices = waiting(&node, &server).await;
        let sleeper = asleep(&server).await;
        let_go(&node, "mine").await;
        // Asked first, because it waited first.
        if heard {
            next(&mut notices).await;
        }
        assert!(!sleeper.is_finished());
        drop(notices);
        assert!(timeout(PATIENCE, sleeper).await.unwrap().unwrap());
        settled().await;
        assert_eq!(server.keys().unwrap(), Vec::<String>::new(), "nothing is left behind");
    }
}

#[tokio::test]
async fn a_signal_that_was_used_is_not_put_back() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "a").await;
    let mut notices = waiting(&node, &server).await;
    let_go(&node, "a").await;
    next(&mut notices).await;
    take(&node, "b").await;
    drop(notices);
    settled().await;
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_dropped_at_any_moment_around_a_release_loses_no_wake_up() {
    let server = Server::start().unwrap();
    let node = node(&server);
    for round in 0..200_u64 {
        let mut notices = waiting(&node, &server).await;
        take(&node, "mine").await;
        let sleeper = asleep(&server).await;
        let going = tokio::spawn(async move {
            // Before, while and after the signal comes.
            for _ in 0..round % 50 {
                tokio::task::yield_now().await;
            }
            let _ = notices.next().now_or_never();
            drop(notices);
        });
        let_go(&node, "mine").await;
        going.await.unwrap();
        assert!(timeout(PATIENCE, sleeper).await.expect("a wake-up is lost").unwrap(), "{round}");
        until(PATIENCE, async || blocked(&server) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_dropped_at_any_poll_loses_no_wake_up() {
    let server = Server::start().unwrap();
    let node = node(&server).signal_lifetime(ttl(60_000));
    let mut finished = false;
    for polls in 0..10_000 {
        take(&node, "mine").await;
        // A signal that subscribing itself takes.
        let_go(&node, "mine").await;
        finished = crate::common::poll_and_drop(subscribed(&node), polls).await;
        settled().await;
        assert_eq!(signals(&server), 1, "lost or doubled after {polls} polls");
        if finished {
            break;
        }
    }
    assert!(finished);
}

#[tokio::test]
async fn nothing_is_connected_when_nobody_waits() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "mine").await;
    let streams = [waiting(&node, &server).await, waiting(&node, &server).await];
    assert_eq!(server.connections().unwrap().len(), 3);
    drop(streams);
    settled().await;
    assert_eq!(server.connections().unwrap().len(), 1);
    // Older servers do not count it apart from other words for connections.
    let unblocked = server.calls("client|unblock").unwrap() + server.calls("client").unwrap();
    assert!(unblocked >= 2, "they have waited for their time to end");
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
}

#[tokio::test]
async fn a_lock_that_ends_without_a_signal_is_noticed() {
    let server = Server::start().unwrap();
    let node = node(&server);
    // Without an end, so that no refusal tells when to look.
    server.cmd::<()>(&["SET", "lock:r", "theirs"]).unwrap();
    let vote = node.acquire(&resource("r"), &token("mine"), ttl(1_000)).await.unwrap();
    assert_eq!(vote, Vote::held_by(token("theirs").fingerprint(), None));
    let mut notices = waiting(&node, &server).await;
    server.cmd::<()>(&["DEL", "lock:r"]).unwrap();
    next(&mut notices).await;
    // Nobody has taken it: that is told again, and still no signal made of it.
    next(&mut notices).await;
    drop(notices);
    settled().await;
    assert_eq!(server.keys().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn names_wake_only_their_own_whatever_characters_they_have() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names = ["*", "r*", "{r}", "[r]", "r", "r?", "lock:r", "ü \n\"'\\"];
    let mut streams = Vec::new();
    for name in names {
        let vote = node.acquire(&resource(name), &token("mine"), ttl(60_000)).await.unwrap();
        assert_eq!(vote, Vote::granted());
        let before = blocked(&server);
        streams.push((name, node.subscribe(&resource(name)).await.unwrap()));
        until(PATIENCE, async || blocked(&server) > before).await;
    }
    while let Some((name, mut notices)) = streams.pop() {
        assert_eq!(node.release(&resource(name), &token("mine")).await.unwrap(), Vote::granted());
        next(&mut notices).await;
        for (_, other) in &mut streams {
            assert!(other.next().now_or_never().is_none(), "{name:?} has woken another");
        }
    }
}

#[tokio::test]
async fn a_cut_connection_ends_the_stream() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "mine").await;
    let mut notices = waiting(&node, &server).await;
    server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    assert_eq!(timeout(PATIENCE, notices.next()).await.unwrap(), None);
    let mut again = waiting(&node, &server).await;
    let_go(&node, "mine").await;
    next(&mut again).await;
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_ends_the_stream_and_refuses_the_next() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "mine").await;
    let mut notices = waiting(&node, &server).await;
    server.stop();
    assert_eq!(timeout(PATIENCE, notices.next()).await.unwrap(), None);
    let error = node.subscribe(&resource("r")).await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::TimedOut, "{error}");
    server.cont();
    server.kill();
    let error = node.subscribe(&resource("r")).await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
}

#[tokio::test]
async fn notify_wakes_one_if_the_lock_is_free_and_changes_nothing_else() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    for _ in 0..3 {
        node.notify(&name).await.unwrap();
        assert_eq!(signals(&server), 1);
        assert!((1..=1_000).contains(&pttl(&server, "lock-signal:r")));
    }
    let mut notices = subscribed(&node).await;
    next(&mut notices).await;
    take(&node, "mine").await;
    node.notify(&name).await.unwrap();
    assert_eq!(server.keys().unwrap(), ["lock:r"]);
}

#[tokio::test]
async fn reset_frees_anybodys_lock_and_wakes_one() {
    let server = Server::start().unwrap();
    let node = node(&server);
    server.cmd::<()>(&["SET", "lock:r", "theirs"]).unwrap();
    let mut notices = waiting(&node, &server).await;
    assert_eq!(node.reset(&resource("r")).await.unwrap(), Vote::granted());
    next(&mut notices).await;
    drop(notices);
    settled().await;
    assert_eq!(server.cmd::<u64>(&["DEL", "lock-signal:r"]).unwrap(), 1, "put back");
    assert_eq!(node.reset(&resource("r")).await.unwrap(), Vote::not_held());
    assert_eq!(signals(&server), 1, "whoever sleeps although it is free is woken");
    assert!((1..=1_000).contains(&pttl(&server, "lock-signal:r")));
}

#[tokio::test]
async fn reset_all_frees_every_lock_and_nothing_else() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names: Vec<_> = (0..2_500).map(|number| format!("r{number}")).collect();
    for name in &names {
        server.cmd::<()>(&["SET", &format!("lock:{name}"), "theirs"]).unwrap();
    }
    server.cmd::<()>(&["SET", "block:r", "kept"]).unwrap();
    server.cmd::<()>(&["SET", "lock:", "kept"]).unwrap();
    server.cmd::<()>(&["SET", "lock:empty", ""]).unwrap();
    server.cmd::<()>(&["HSET", "lock:hash", "no", "lock"]).unwrap();
    assert_eq!(node.reset_all().await.unwrap(), 2_500);
    let (signals, kept): (Vec<_>, Vec<_>) =
        server.keys().unwrap().into_iter().partition(|key| key.starts_with("lock-signal:"));
    assert_eq!(kept, ["block:r", "lock:", "lock:empty", "lock:hash"]);
    assert!(signals.len() <= 2_500);
    assert_eq!(node.reset_all().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_lock_is_left_alone() {
    let server = Server::start().unwrap();
    let node = node(&server);
    server.cmd::<()>(&["SET", "lock:empty", ""]).unwrap();
    let error = node.reset(&resource("empty")).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    server.cmd::<()>(&["RPUSH", "lock:r", "mine"]).unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    for error in [
        node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err(),
        node.release(&name, &mine).await.unwrap_err(),
        node.extend(&name, &mine, ttl(1_000)).await.unwrap_err(),
        node.inspect(&name).await.unwrap_err(),
        node.reset(&name).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    }
    assert_eq!(server.keys().unwrap(), ["lock:empty", "lock:r"]);
}

#[tokio::test]
async fn a_full_server_releases_and_signals_all_the_same() {
    let server = Server::start().unwrap();
    let node = node(&server);
    take(&node, "mine").await;
    server.cmd::<()>(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let_go(&node, "mine").await;
    assert!(!exists(&server, "lock:r"));
    assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
    assert_eq!(signals(&server), 1);
}

#[tokio::test]
async fn a_user_who_may_not_signal_releases_all_the_same_and_is_told_that_it_cannot_listen() {
    let base = ["+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha"];
    let extra = ["+exists", "+rpush", "+blpop", "+multi", "+exec"];
    let keys = ["~lock:*", "~lock-signal:*"];
    let server = Options::new()
        .user("signal", "p", keys[..1].iter().chain(&base).chain(&extra).copied())
        .user("push", "p", keys.iter().chain(&base).copied())
        .user("end", "p", keys.iter().chain(&base).chain(&extra).copied().chain(["-pexpire"]))
        .user("enough", "p", keys.iter().chain(&base).chain(&extra).copied())
        .start()
        .unwrap();
    for user in ["signal", "push", "end", "enough"] {
        let node = PythonLockNode::open(&server.url_of(user).unwrap()).unwrap();
        take(&node, "mine").await;
        let_go(&node, "mine").await;
        assert_eq!(server.keys().unwrap().len(), usize::from(user == "enough"), "{user}");
        take(&node, "mine").await;
        match node.subscribe(&resource("r")).await {
            Ok(mut notices) => {
                assert!(["end", "enough"].contains(&user), "{user} can listen");
                while notices.next().now_or_never().is_some() {}
                drop(notices);
                // Without leave to end a wait, it ends by itself.
                until(PATIENCE, async || blocked(&server) == 0).await;
            }
            Err(error) => {
                assert!(["signal", "push"].contains(&user), "{user} cannot listen: {error}");
                assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
                assert!(error.to_string().contains("NOPERM"), "{error}");
            }
        }
        server.cmd::<()>(&["FLUSHALL"]).unwrap();
    }
}

/// A redlock that would not look again for a minute by itself.
fn redlock(server: &Server) -> Redlock {
    let node = node(server).signal_lifetime(ttl(60_000));
    let rarely = Retry::fixed(Duration::from_secs(60));
    Redlock::builder().node(node).retry(rarely).build().unwrap()
}

#[tokio::test]
async fn a_redlock_is_woken_by_the_signal_that_another_leaves() {
    let server = Server::start().unwrap();
    let lock = redlock(&server).lock("r");
    server.cmd::<()>(&["SET", "lock:r", "theirs"]).unwrap();
    let waiting = tokio::spawn(async move { lock.acquire_within(PATIENCE).await });
    until(PATIENCE, async || blocked(&server) == 1).await;
    let release = "redis.call('DEL', 'lock:r') redis.call('LPUSH', 'lock-signal:r', 1)";
    server.cmd::<()>(&["EVAL", release, "0"]).unwrap();
    let guard = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(server.keys().unwrap(), ["lock:r"], "it has come without the signal");
    guard.release().await;
    assert_eq!(signals(&server), 1);
    until(PATIENCE, async || blocked(&server) == 0).await;
}

#[tokio::test]
async fn a_redlock_has_the_lock_of_one_who_died_after_his_time() {
    let server = Server::start().unwrap();
    let lock = redlock(&server).lock("r");
    server.cmd::<()>(&["SET", "lock:r", "theirs", "PX", "1500"]).unwrap();
    let guard = lock.acquire_within(PATIENCE).await.unwrap();
    guard.release().await;
    assert_eq!(signals(&server), 1);
}

#[tokio::test]
async fn those_who_wait_no_longer_leave_the_wake_up_to_who_still_does() {
    for round in 0..20 {
        let server = Server::start().unwrap();
        // Two, because within one redlock the second would only queue behind the first.
        let (redlock, other) = (redlock(&server), redlock(&server));
        let holder = redlock.lock("r").acquire_within(PATIENCE).await.unwrap();
        let lock = other.lock("r");
        let waiting = tokio::spawn(async move { lock.acquire_within(PATIENCE).await.map(drop) });
        until(PATIENCE, async || blocked(&server) == 1).await;
        let sleeper = asleep(&server).await;
        if round % 2 == 0 {
            waiting.abort();
            holder.release().await;
        } else {
            holder.release().await;
            waiting.abort();
        }
        let woken = timeout(PATIENCE, sleeper).await.expect("a wake-up is lost");
        assert!(woken.unwrap(), "{round}");
        until(PATIENCE, async || blocked(&server) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_in_several_redlocks_have_it_one_at_a_time_and_all_in_the_end() {
    let server = Server::start().unwrap();
    let inside = Arc::new(AtomicU32::new(0));
    let redlocks = [redlock(&server), redlock(&server), redlock(&server)];
    let work = redlocks.iter().cycle().take(24).map(|redlock| {
        let (lock, inside) = (redlock.lock("r"), Arc::clone(&inside));
        tokio::spawn(async move {
            for _ in 0..10 {
                let guard = lock.acquire_within(Duration::from_secs(60)).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                guard.release().await;
            }
        })
    });
    for done in futures::future::join_all(work).await {
        done.unwrap();
    }
    until(PATIENCE, async || blocked(&server) == 0).await;
    assert!(!exists(&server, "lock:r"));
}

#[test]
fn a_url_that_is_no_good_is_refused_and_nothing_of_it_shown() {
    let error = PythonLockNode::open("redis://h/secret").unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let node = PythonLockNode::open("redis://:secret@h").unwrap();
    assert!(!format!("{node:?}").contains("secret"));
}

#[test]
fn outside_of_a_runtime_there_is_an_error_and_no_panic() {
    let node = PythonLockNode::open("redis://h").unwrap();
    let error = futures::executor::block_on(node.subscribe(&resource("r"))).err().unwrap();
    assert_eq!(error.kind(), FailureKind::Other, "{error}");
}
