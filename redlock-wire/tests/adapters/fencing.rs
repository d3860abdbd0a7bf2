//! Locks that are counted: each adapter takes these tests into one of its own, beside `common`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redlock_core::{Delivery, FailureKind, Fence, Fencing, LockNode, Refusal, Vote};
use redlock_testkit::server::{Direction, Flow, Options, Proxy, Server};

use crate::common::{Node, PATIENCE, exists, node, pttl, resource, token, ttl, until};

const COUNTER: &str = "redlocks:fence:{r}";

async fn counted(node: &Node, who: &str, hint: Fence) -> Vote {
    node.acquire_counted(&resource("r"), &token(who), ttl(60_000), hint).await.unwrap()
}

async fn release(node: &Node, who: &str) {
    assert_eq!(node.release(&resource("r"), &token(who)).await.unwrap(), Vote::granted());
}

fn count(vote: Vote) -> Fence {
    match vote {
        Vote::Granted { counter, .. } => counter.expect("counted"),
        refused => panic!("{refused:?}"),
    }
}

fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

#[tokio::test]
async fn a_count_begins_with_the_clock_and_grows_by_one_with_each_holder() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let before = micros();
    let first = count(counted(&node, "a", Fence::default()).await);
    assert!((before..=micros() + 1).contains(&first.get()), "{first}");
    assert_eq!(count(counted(&node, "a", Fence::default()).await), first, "it was there");
    for (before, who, more) in [("a", "b", 1), ("b", "c", 2), ("c", "d", 3)] {
        release(&node, before).await;
        let next = count(counted(&node, who, Fence::default()).await);
        assert_eq!(next.get(), first.get() + more);
    }
    assert!((59_000..=60_000).contains(&pttl(&server, "r")));
    assert_eq!(server.cmd::<u64>(&["GET", COUNTER]).unwrap(), first.get() + 3);
}

#[tokio::test]
async fn a_counted_acquire_is_one_command_also_if_it_is_refused() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let theirs = count(counted(&node, "theirs", Fence::default()).await);
    let scripts = || server.calls("evalsha").unwrap();
    let before = scripts();
    match counted(&node, "mine", Fence::default()).await {
        Vote::Refused(Refusal::HeldByAnother { remaining, holder, counter, .. }) => {
            let remaining = remaining.unwrap();
            assert!((55..=60).contains(&remaining.as_secs()), "{remaining:?}");
            assert_eq!(holder, Some(token("theirs").fingerprint()));
            assert_eq!(counter, Some(theirs));
        }
        other => panic!("{other:?}"),
    }
    release(&node, "theirs").await;
    counted(&node, "mine", Fence::default()).await;
    assert_eq!(scripts(), before + 3);
    assert_eq!(server.calls("eval").unwrap(), 1, "the script was loaded when it was first needed");
}

#[tokio::test]
async fn a_hint_is_where_counting_goes_on_unless_it_is_of_the_day_after_tomorrow() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let hint = Fence::new(micros() + 3_600_000_000);
    assert_eq!(count(counted(&node, "a", hint).await).get(), hint.get() + 1);
    release(&node, "a").await;
    let far = Fence::new(micros() + 48 * 3_600_000_000);
    assert_eq!(count(counted(&node, "b", far).await).get(), hint.get() + 2);
    release(&node, "b").await;
    assert_eq!(count(counted(&node, "c", Fence::MAX).await).get(), hint.get() + 3);
}

#[tokio::test]
async fn counts_are_exact_to_the_last_and_then_nothing_is_granted() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let last = Fence::MAX.get();
    server.cmd::<()>(&["SET", COUNTER, &(last - 3).to_string()]).unwrap();
    for who in ["a", "b"] {
        let before = server.cmd::<u64>(&["GET", COUNTER]).unwrap();
        assert_eq!(count(counted(&node, who, Fence::default()).await).get(), before + 1);
        release(&node, who).await;
    }
    assert_eq!(count(counted(&node, "c", Fence::default()).await).get(), last);
    let raised = node.raise(&resource("r"), &token("c"), Fence::MAX).await.unwrap();
    assert_eq!(count(raised), Fence::MAX);
    release(&node, "c").await;
    let name = resource("r");
    let error = node.acquire_counted(&name, &token("d"), ttl(60_000), Fence::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(error.delivery(), Delivery::Refused);
    assert!(error.to_string().contains("reached its end"), "{error}");
    assert!(!exists(&server, "r"));
    assert_eq!(server.cmd::<u64>(&["GET", COUNTER]).unwrap(), last);
}

#[tokio::test]
async fn only_the_holder_raises_and_is_told_if_the_count_is_larger() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    let raise = async |who, to: u64| node.raise(&name, &token(who), Fence::new(to)).await.unwrap();
    assert_eq!(raise("a", 7).await, Vote::not_held());
    assert!(!exists(&server, COUNTER));
    let first = count(counted(&node, "a", Fence::default()).await).get();
    assert_eq!(count(raise("a", first + 9).await).get(), first + 9);
    assert_eq!(count(raise("a", first + 5).await).get(), first + 9);
    assert!(matches!(
        raise("b", first + 99).await,
        Vote::Refused(Refusal::HeldByAnother { remaining: Some(_), .. })
    ));
    assert_eq!(server.cmd::<u64>(&["GET", COUNTER]).unwrap(), first + 9);
    release(&node, "a").await;
    assert_eq!(raise("a", first + 99).await, Vote::not_held());
    assert_eq!(count(counted(&node, "b", Fence::default()).await).get(), first + 10);
}

#[tokio::test]
async fn a_counter_outlives_its_key_by_the_retention() {
    let server = Server::start().unwrap();
    let week = 7 * 24 * 3600 * 1000;
    let by_default = node(&server);
    counted(&by_default, "a", Fence::default()).await;
    assert!((week + 50_000..=week + 60_000).contains(&pttl(&server, COUNTER)));
    release(&by_default, "a").await;
    let node = node(&server).counter_retention(Duration::from_secs(1));
    counted(&node, "b", Fence::default()).await;
    assert!((50_000..=61_000).contains(&pttl(&server, COUNTER)));
    // One that asks for a longer time has it, also if he is refused.
    counted(&by_default, "c", Fence::default()).await;
    assert!((week - 10_000..=week).contains(&pttl(&server, COUNTER)));
}

#[tokio::test]
async fn plain_and_counted_calls_exclude_each_other() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    assert_eq!(node.acquire(&name, &token("plain"), ttl(60_000)).await.unwrap(), Vote::granted());
    match counted(&node, "counted", Fence::default()).await {
        Vote::Refused(Refusal::HeldByAnother { holder, counter: None, .. }) => {
            assert_eq!(holder, Some(token("plain").fingerprint()));
        }
        other => panic!("{other:?}"),
    }
    release(&node, "plain").await;
    counted(&node, "counted", Fence::default()).await;
    let plain = node.acquire(&name, &token("plain"), ttl(60_000)).await.unwrap();
    assert!(matches!(plain, Vote::Refused(_)));
    let extended = node.extend(&name, &token("counted"), ttl(90_000)).await.unwrap();
    assert_eq!(extended, Vote::granted());
}

#[tokio::test]
async fn keys_that_are_no_counter_or_no_lock_are_errors_that_change_nothing() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    let ask = async || {
        let hint = Fence::default();
        node.acquire_counted(&name, &token("mine"), ttl(60_000), hint).await.unwrap_err()
    };
    for odd in ["", "x", "1e3", "-5", "0x10", "1.5", " 7"] {
        server.cmd::<()>(&["SET", COUNTER, odd]).unwrap();
        let error = ask().await;
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::Refused));
        assert_eq!(server.cmd::<String>(&["GET", COUNTER]).unwrap(), odd);
    }
    server.cmd::<()>(&["DEL", COUNTER]).unwrap();
    server.cmd::<()>(&["RPUSH", COUNTER, "1"]).unwrap();
    assert_eq!(ask().await.delivery(), Delivery::Refused);
    assert!(!exists(&server, "r"));
    server.cmd::<()>(&["DEL", COUNTER]).unwrap();
    server.cmd::<()>(&["RPUSH", "r", "mine"]).unwrap();
    assert_eq!(ask().await.delivery(), Delivery::Refused);
    assert!(!exists(&server, COUNTER));
}

#[tokio::test]
async fn a_server_that_is_full_counts_nobody_and_still_releases() {
    let server = Server::start().unwrap();
    let node = node(&server).allow_eviction();
    counted(&node, "a", Fence::default()).await;
    server.fill_memory().unwrap();
    let name = resource("other");
    let error = node.acquire_counted(&name, &token("b"), ttl(60_000), Fence::default()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::Refused));
    assert!(!exists(&server, "other"));
    release(&node, "a").await;
}

#[tokio::test]
async fn a_user_needs_time_and_the_keys_of_counters() {
    let keys = ["~r", "~redlocks:fence*"];
    let allowed = ["+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha", "+time"];
    let enough: Vec<_> = keys.into_iter().chain(allowed).collect();
    let without = |left_out: &str| {
        enough.iter().copied().filter(|rule| *rule != left_out).collect::<Vec<_>>()
    };
    let server = Options::new()
        .user("full", "pw", enough.clone())
        .user("timeless", "pw", without("+time"))
        .user("keyless", "pw", without("~redlocks:fence*"))
        .start()
        .unwrap();
    let url = |name| server.url_of(name).unwrap();
    let node = Node::open(&url("full")).unwrap();
    counted(&node, "a", Fence::default()).await;
    release(&node, "a").await;
    for name in ["timeless", "keyless"] {
        let node = Node::open(&url(name)).unwrap();
        let error = node
            .acquire_counted(&resource("r"), &token("a"), ttl(60_000), Fence::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        assert_eq!(error.delivery(), Delivery::Refused, "{error}");
        assert!(!exists(&server, "r"));
    }
}

#[derive(PartialEq, Eq)]
enum Asked {
    /// As the contract does not have it.
    Once,
    UntilItIsSettled,
}

/// Whether a key is left by an acquire that is held up, given up with its connection, and delivered
/// after the release.
async fn delayed_past_its_release(asked: Asked) -> bool {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(&server).unwrap();
    let node = Node::open(&proxy.url()).unwrap().response_timeout(Duration::from_secs(2));
    // So that the scripts are there, and the server's clock is known.
    counted(&node, "before", Fence::default()).await;
    release(&node, "before").await;

    proxy.set(Direction::Requests, Flow::Hold);
    let name = resource("r");
    let mine = token("late");
    let arrived = || proxy.traffic().requests.arrived;
    let before = arrived();
    let late = node.acquire_counted(&name, &mine, ttl(60_000), Fence::default());
    let on_its_way = until(PATIENCE, || std::future::ready(arrived() > before));
    tokio::select! {
        vote = late => panic!("{vote:?}"),
        _ = on_its_way => {}
    }
    // The connection is lost, and what was sent on it still on its way.
    proxy.strand();
    proxy.set(Direction::Requests, Flow::Pass);
    let (start, mut in_doubt) = (Instant::now(), 0);
    loop {
        match node.release(&name, &mine).await {
            Ok(vote) => {
                assert_eq!(vote, Vote::not_held());
                break;
            }
            Err(error) if error.kind() == FailureKind::Other => in_doubt += 1,
            // The way to the server is being made again.
            Err(_) => {}
        }
        if in_doubt > 0 && asked == Asked::Once {
            break;
        }
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(in_doubt > 0, "the release had nothing to doubt");
    let scripts = || server.calls("evalsha").unwrap();
    let before = scripts();
    proxy.deliver();
    until(PATIENCE, || std::future::ready(scripts() > before)).await;
    exists(&server, "r")
}

#[tokio::test]
async fn an_acquire_that_is_delayed_past_its_release_leaves_no_key() {
    assert!(!delayed_past_its_release(Asked::UntilItIsSettled).await);
}

#[tokio::test]
async fn an_acquire_that_is_delayed_past_a_release_that_was_not_asked_for_again_leaves_one() {
    assert!(delayed_past_its_release(Asked::Once).await);
}
