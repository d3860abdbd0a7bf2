//! Listing locks and resetting them, on a real server.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use redlock_core::{Delivery, FailureKind, LockNode, Notifications, Survey};
use redlock_testkit::server::Server;

use crate::common::{Node, exists, fill, node, pttl, resource, token, ttl};

/// Everything that is listed under this prefix, with its token.
async fn list(node: &Node, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut from) = (BTreeMap::new(), None);
    loop {
        let page = node.list(prefix, from.as_ref()).await.unwrap();
        for held in page.held {
            assert!(held.remaining.unwrap() <= Duration::from_secs(600), "{held:?}");
            found.insert(held.resource.to_string(), held.token.as_bytes().to_vec());
        }
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

/// What the server has worked since it was started: not the time that passed, of which a busy machine
/// gives it as much or as little as it likes.
fn work(server: &Server) -> Duration {
    let info: String = server.cmd(&["INFO", "cpu"]).unwrap();
    let seconds = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {info}")).parse::<f64>().unwrap()
    };
    Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
}

/// Whether the server has been busy with nothing for longer than [`NO_LONGER`] since this was last
/// asked, by its own log of what was slow.
fn was_quick(server: &Server) -> bool {
    let slow: u64 = server.cmd(&["SLOWLOG", "LEN"]).unwrap();
    server.cmd::<()>(&["SLOWLOG", "RESET"]).unwrap();
    slow == 0
}

/// For how long at the most nobody else is served.
const NO_LONGER: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_locks_are_gone_through_without_holding_up_the_server() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let slow = NO_LONGER.as_micros().to_string();
    server.cmd::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", &slow]).unwrap();
    let before = work(&server);
    fill(&server, "job:", 100_000);
    assert!(work(&server) - before > NO_LONGER, "it is seen what takes long");
    fill(&server, "other:", 20_000);
    assert!(!was_quick(&server), "the log shows what takes long");

    let (mut found, mut from, mut pages) = (BTreeMap::new(), None, 0);
    loop {
        // The log goes by the time that passed, and a machine that is busy elsewhere makes anything
        // slow now and then. What a page itself costs, it costs each time.
        let mut tries = 0;
        let page = loop {
            let before = work(&server);
            let page = node.list("job:", from.as_ref()).await.unwrap();
            let took = work(&server) - before;
            assert!(took < NO_LONGER, "page {pages} is {took:?} of work");
            tries += 1;
            if was_quick(&server) {
                break page;
            }
            assert!(tries < 50, "page {pages} takes longer than {NO_LONGER:?} each time");
        };
        pages += 1;
        assert!(page.held.len() < 500, "{} locks in one page", page.held.len());
        found.extend(page.held.into_iter().map(|held| (held.resource, held.token)));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 100_000);
    assert_eq!(found[&resource("job:77")], token("t77"));

    let (mut quick, mut names) = (0, found.keys());
    for _ in 0..20 {
        for name in names.by_ref().take(50) {
            let before = work(&server);
            assert_eq!(node.reset(name).await.unwrap().as_ref(), Some(&found[name]));
            let took = work(&server) - before;
            assert!(took < NO_LONGER, "a reset is {took:?} of work");
        }
        quick += usize::from(was_quick(&server));
    }
    assert!(quick > 10, "of 20 times 50 resets {quick} had none that took long");
    assert_eq!(list(&node, "job:").await.len(), 99_000);
}

#[tokio::test]
async fn only_what_looks_like_a_lock_is_listed() {
    let server = Server::start().unwrap();
    let node = node(&server);
    node.acquire(&resource("lock"), &token(b"\xff\0"), ttl(60_000)).await.unwrap();
    for words in [
        &["SET", "endless", "v"][..],
        &["SET", "redlocks:epoch", "v", "PX", "60000"],
        &["SET", "redlocks:fence:{lock}", "7", "PX", "60000"],
        &["SET", "long", &"x".repeat(1025), "PX", "60000"],
        &["SET", "empty", "", "PX", "60000"],
        &["SET", "", "unnamed", "PX", "60000"],
        &["RPUSH", "list", "v"],
        &["HSET", "hash", "f", "v"],
        &["SADD", "set", "v"],
    ] {
        server.cmd::<()>(words).unwrap();
    }
    server.cmd::<()>(&["EVAL", r"redis.call('SET', 'l\255', 'v', 'PX', 60000)", "0"]).unwrap();
    let found = list(&node, "").await;
    assert_eq!(found, BTreeMap::from([("lock".to_owned(), b"\xff\0".to_vec())]));

    server.cmd::<()>(&["SET", "longest", &"x".repeat(1024), "PX", "60000"]).unwrap();
    let found = list(&node, "longest").await;
    assert_eq!(found.len(), 1);

    // What has no end may be the lock of another client, and is reset if it is named.
    assert_eq!(node.reset(&resource("endless")).await.unwrap(), Some(token("v")));
    for name in ["empty", "list", "hash"] {
        let error = node.reset(&resource(name)).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        assert!(exists(&server, name), "{name}");
    }
    assert!(pttl(&server, "lock") > 0);
}

fn user(server: &Server, rules: &[&str]) -> Node {
    server
        .cmd::<()>(&[&["ACL", "SETUSER", "u", "reset", "on", ">p", "~*"], rules].concat())
        .unwrap();
    Node::open(&format!("redis://u:p@127.0.0.1:{}", server.port())).unwrap()
}

#[tokio::test]
async fn without_the_permission_to_tell_a_reset_is_a_reset() {
    let server = Server::start().unwrap();
    let (name, mine) = (resource("r"), token("mine"));
    let mut ear = node(&server).subscribe(&name).await.unwrap();
    for rules in [
        &["+@all", "allchannels", "-publish"][..],
        &["+@all", "resetchannels"],
        &["+@all", "allchannels", "-pubsub"],
    ] {
        let node = user(&server, rules);
        node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
        assert_eq!(node.reset(&name).await.unwrap(), Some(mine.clone()), "{rules:?}");
        assert!(!exists(&server, "r"));
        assert_eq!(node.reset(&name).await.unwrap(), None);
    }
    // The last may not count those who listen, and tells them all the same.
    assert!(ear.next().await.is_some());
}

#[tokio::test]
async fn permissions_that_the_documentation_names_are_enough() {
    let server = Server::start().unwrap();
    let lock = ["+set", "+get", "+del", "+pttl", "+eval", "+evalsha"];
    let operator = user(&server, &[&lock[..], &["+scan", "+getrange"]].concat());
    operator.acquire(&resource("r"), &token("mine"), ttl(60_000)).await.unwrap();
    assert_eq!(list(&operator, "").await.len(), 1);
    assert_eq!(operator.reset(&resource("r")).await.unwrap(), Some(token("mine")));

    let error = user(&server, &lock).list("", None).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
}

#[tokio::test]
async fn a_cursor_that_is_none_of_the_nodes_is_refused() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let cursor = redlock_core::Cursor::new(*b"x 1");
    let error = node.list("", Some(&cursor)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    assert!(error.to_string().contains("no place in a listing of this node"), "{error}");
}
