//! Servers that may have forgotten: each adapter takes these tests into one of its own, beside
//! `common`.

use std::time::Duration;

use redlock_core::{
    Delivery, FailureKind, Fence, Fencing, LockNode, NodeError, Refusal, RestartPolicy, Vote,
};
use redlock_testkit::server::{Options, Server};

use crate::common::{Node, PATIENCE, exists, node, pttl, resource, token, ttl, until};

const EPOCH: &str = "redlocks:epoch";

/// A node whose quarantine is over two seconds after a restart.
fn wary(server: &Server) -> Node {
    node(server).restart_policy(RestartPolicy::Quarantine { max_ttl: ttl(900) })
}

/// The same, of a server that is not in quarantine.
fn settled(server: &Server) -> Node {
    settle(server);
    wary(server)
}

/// As if the server's run had been seen an hour ago.
fn settle(server: &Server) {
    let info: String = server.cmd(&["INFO", "server"]).unwrap();
    let id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap();
    let (seconds, _): (u64, u64) = server.cmd(&["TIME"]).unwrap();
    let epoch = format!("{id} {}", (seconds - 3600) * 1_000_000);
    server.cmd::<()>(&["SET", EPOCH, &epoch]).unwrap();
}

async fn takes(node: &Node, name: &str) -> Result<Vote, NodeError> {
    node.acquire(&resource(name), &token("mine"), ttl(500)).await
}

fn is_quarantined(error: &NodeError) -> bool {
    let left = error.quarantine().unwrap_or_default();
    error.kind() == FailureKind::Quarantined && left > Duration::ZERO
}

#[tokio::test]
async fn a_server_that_was_never_used_votes_after_the_quarantine() {
    let server = Server::start().unwrap();
    let node = wary(&server);
    let error = takes(&node, "r").await.unwrap_err();
    assert!(is_quarantined(&error), "{error}");
    assert_eq!(error.delivery(), Delivery::Refused);
    assert!(error.quarantine().unwrap() > Duration::from_millis(1_500), "{error}");
    let (name, mine) = (resource("r"), token("mine"));
    let counted = node.acquire_counted(&name, &mine, ttl(500), Fence::default()).await;
    assert!(is_quarantined(&counted.unwrap_err()));
    assert!(!exists(&server, "r"));
    // Another node hears it from the server, and waits no longer than the first: each is late by
    // what its own answer took.
    let other = wary(&server);
    let left = other.check().await.unwrap_err().quarantine().unwrap();
    assert!(left <= error.quarantine().unwrap());
    let waited = until(PATIENCE, || async { takes(&node, "r").await.is_ok() }).await;
    assert!(waited > left.saturating_sub(Duration::from_millis(100)), "{waited:?} {left:?}");
    until(PATIENCE, || async { other.check().await.is_ok() }).await;
    assert!(pttl(&server, "r") <= 500);
    assert_eq!(server.cmd::<String>(&["GET", "r"]).unwrap(), "mine", "the plain wire format");
}

#[tokio::test]
async fn a_server_that_restarts_or_is_emptied_or_replaced_does_not_vote() {
    let mut server = Server::start().unwrap();
    assert!(takes(&settled(&server), "settled").await.is_ok());

    let node = settled(&server);
    server.cmd::<()>(&["FLUSHALL"]).unwrap();
    assert!(is_quarantined(&takes(&node, "emptied").await.unwrap_err()));

    let node = settled(&server);
    let epoch: String = server.cmd(&["GET", EPOCH]).unwrap();
    let another = format!("{}{}", if epoch.starts_with('0') { "1" } else { "0" }, &epoch[1..]);
    server.cmd::<()>(&["SET", EPOCH, &another]).unwrap();
    let error = takes(&node, "promoted").await.unwrap_err();
    assert!(error.quarantine().unwrap() > Duration::from_millis(1_500), "{error}");

    let node = settled(&server);
    assert!(takes(&node, "before").await.is_ok());
    server.restart().unwrap();
    // Neither a node that was there before nor one that comes afterwards gets a vote.
    until(PATIENCE, || async {
        takes(&node, "r").await.is_err_and(|error| error.kind() == FailureKind::Quarantined)
    })
    .await;
    assert!(is_quarantined(&takes(&wary(&server), "r").await.unwrap_err()));
    assert!(server.keys().unwrap().iter().all(|key| key == EPOCH));
}

#[tokio::test]
async fn a_clock_that_was_set_back_begins_the_quarantine_anew() {
    let server = Server::start().unwrap();
    let node = settled(&server);
    let epoch: String = server.cmd(&["GET", EPOCH]).unwrap();
    let (id, since) = epoch.split_once(' ').unwrap();
    let later = since.parse::<u64>().unwrap() + 7_200_000_000;
    server.cmd::<()>(&["SET", EPOCH, &format!("{id} {later}")]).unwrap();
    assert!(is_quarantined(&takes(&node, "r").await.unwrap_err()));
}

#[tokio::test]
async fn in_quarantine_locks_are_released_and_extended_and_holders_are_told() {
    let server = Server::start().unwrap();
    let node = wary(&server);
    let name = resource("r");
    server.cmd::<()>(&["SET", "r", "theirs", "PX", "60000"]).unwrap();
    // Who holds it, an old copy perhaps, is told as ever.
    assert!(matches!(
        takes(&node, "r").await.unwrap(),
        Vote::Refused(Refusal::HeldByAnother { holder: Some(_), .. })
    ));
    server.cmd::<()>(&["SET", "r", "mine", "PX", "500"]).unwrap();
    let error = takes(&node, "r").await.unwrap_err();
    assert!(is_quarantined(&error));
    assert_eq!(error.delivery(), Delivery::Unknown, "it has the key");
    server.cmd::<()>(&["SET", "r", "mine", "PX", "60000"]).unwrap();
    assert_eq!(node.extend(&name, &token("mine"), ttl(900)).await.unwrap(), Vote::granted());
    assert_eq!(node.release(&name, &token("mine")).await.unwrap(), Vote::granted());
}

#[tokio::test]
async fn a_lifetime_that_would_outlive_a_quarantine_is_not_asked_for() {
    let server = Server::start().unwrap();
    let node = settled(&server);
    let (name, mine, long) = (resource("r"), token("mine"), ttl(901));
    let scripts = server.calls("evalsha").unwrap() + server.calls("eval").unwrap();
    for error in [
        node.acquire(&name, &mine, long).await.unwrap_err(),
        node.extend(&name, &mine, long).await.unwrap_err(),
        node.acquire_counted(&name, &mine, long, Fence::default()).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
        assert!(error.to_string().contains("901ms is longer than 900ms"), "{error}");
    }
    assert_eq!(server.calls("evalsha").unwrap() + server.calls("eval").unwrap(), scripts);
    assert!(node.acquire(&name, &mine, ttl(900)).await.is_ok());
}

#[tokio::test]
async fn votes_in_quarantine_mode_are_counted_as_ever() {
    let server = Server::start().unwrap();
    let node = settled(&server);
    let name = resource("r");
    let count = async |who| match node
        .acquire_counted(&name, &token(who), ttl(500), Fence::default())
        .await
        .unwrap()
    {
        Vote::Granted { counter, .. } => counter.unwrap().get(),
        other => panic!("{other:?}"),
    };
    let first = count("a").await;
    node.release(&name, &token("a")).await.unwrap();
    assert_eq!(count("b").await, first + 1);
}

#[tokio::test]
async fn a_server_that_may_not_tell_who_it_is_never_votes_and_says_why() {
    let rules = ["~*", "&*", "+@all", "-@dangerous"];
    let server = Options::new().user("poor", "pw", rules).start().unwrap();
    settle(&server);
    let url = server.url_of("poor").unwrap();
    let node = Node::open(&url).unwrap();
    node.check().await.unwrap();
    assert!(takes(&node, "trusted").await.is_ok());
    let node = node.restart_policy(RestartPolicy::Quarantine { max_ttl: ttl(900) });
    for _ in 0..2 {
        let errors = [
            node.check().await.unwrap_err(),
            takes(&node, "r").await.unwrap_err(),
            node.acquire_counted(&resource("r"), &token("mine"), ttl(500), Fence::default())
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), FailureKind::Unsupported, "{error}");
            assert_eq!(error.delivery(), Delivery::Refused, "{error}");
            assert!(error.to_string().contains("needs INFO"), "{error}");
        }
    }
    assert!(!exists(&server, "r"));
}
