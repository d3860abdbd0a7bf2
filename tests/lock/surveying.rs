//! Looking at locks and resetting them, as an operator does.

use std::collections::BTreeSet;

use futures::StreamExt;
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{
    ConfigError, Delivery, Error, FailureKind, Guard, Inspection, Listed, LockNode, LossReason,
    NodeError, Redlock, Renewal, Resource, Standing,
};
use tokio::time::Instant;

use crate::{
    custom::Custom,
    support::{MS, Nodes, SECOND, VALIDITY},
};

const DOWN: Fault = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };

#[tokio::test(start_paused = true)]
async fn a_lock_is_seen_with_its_holder_and_what_is_left_of_it() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let status = redlock.inspect("r").await.unwrap();
    assert_eq!(*status.standing(), Standing::Free);
    assert_eq!(status.to_string(), "\"r\" is free: so say 3 of 3 nodes");
    assert!(!redlock.is_locked("r").await.unwrap());

    let guard = redlock.lock("r").acquire().await.unwrap();
    let status = redlock.inspect("r").await.unwrap();
    assert_eq!(status.token(), Some(guard.token()));
    // Nodes have it for a second, of which the drift is taken.
    assert_eq!(status.remaining(), Some(VALIDITY));
    assert_eq!(status.to_string(), "\"r\" is held for 988ms more: so say 3 of 3 nodes");
    assert_eq!(status.nodes().len(), 3);
    for node in status.nodes() {
        assert!(matches!(node.answer(), Ok(Inspection::Held { .. })), "{node:?}");
    }
    assert!(redlock.is_locked("r").await.unwrap());
    guard.release().await;
    assert!(!redlock.is_locked("r").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_fail_are_listed_and_too_many_of_them_leave_it_unknown() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    nodes.script(1, Operation::Inspect, DOWN);
    nodes.script(2, Operation::Inspect, Fault::Hang);
    let begin = Instant::now();
    let status = redlock.inspect("r").await.unwrap();
    assert_eq!(begin.elapsed(), 50 * MS);
    assert_eq!(*status.standing(), Standing::Unknown);
    assert_eq!(
        status.to_string(),
        "it cannot be told who has \"r\": 0 of 3 nodes say that it is free, 1 that it is held; \
         b unreachable; c timed out after 50 ms"
    );
    let failed = |node: usize| status.nodes()[node].answer().unwrap_err().kind();
    assert_eq!((failed(1), failed(2)), (FailureKind::Unreachable, FailureKind::TimedOut));

    for node in 0..2 {
        nodes.script(node, Operation::Inspect, DOWN);
    }
    let error = redlock.is_locked("r").await.unwrap_err();
    assert!(matches!(error, Error::Undecided(_)), "{error:?}");

    // One that hangs is not waited for when the others know.
    nodes.script(2, Operation::Inspect, Fault::Hang);
    let begin = Instant::now();
    assert!(redlock.is_locked("r").await.unwrap());
    assert!(begin.elapsed().is_zero());
    guard.release().await;
}

#[tokio::test(start_paused = true)]
async fn split_votes_are_not_a_holder() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    for (node, token) in [(0, "x"), (1, "y"), (2, "z")] {
        let token = redlocks::Token::from_bytes(token.as_bytes()).unwrap();
        let (ttl, name) = (redlocks::Ttl::new(SECOND).unwrap(), Resource::new("r").unwrap());
        nodes.memory(node).acquire(&name, &token, ttl).await.unwrap();
    }
    let status = redlock.inspect("r").await.unwrap();
    assert_eq!(*status.standing(), Standing::Split);
    assert!(!redlock.is_locked("r").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reset_names_what_it_removed_and_lets_the_next_one_in() {
    let nodes = Nodes::new(3);
    let redlock = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS).build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    nodes.script(2, Operation::Reset, DOWN);
    let other = nodes.redlock();
    let begin = Instant::now();
    let waiting = tokio::spawn(async move { other.lock("r").wait(30 * SECOND).acquire().await });
    tokio::time::sleep(100 * MS).await;

    // Of another process, as it were.
    let operator = nodes.redlock();
    let reset = operator.reset("r").await.unwrap();
    assert_eq!((reset.removed(), reset.is_complete()), (2, false));
    assert_eq!(reset.nodes()[0].removed().unwrap(), Some(guard.token()));
    assert_eq!(reset.nodes()[2].removed().unwrap_err().kind(), FailureKind::Unreachable);
    assert_eq!(reset.to_string(), "reset \"r\": removed on 2 of 3 nodes: a, b; c unreachable");

    // Woken, not polled out: retries come seconds apart by now, and the ttl is a minute.
    let next: Guard = waiting.await.unwrap().unwrap();
    assert!(begin.elapsed() < 2 * SECOND, "{:?}", begin.elapsed());
    // The old holder finds out at its next renewal, long before its validity would have ended.
    let reason = guard.lost().await;
    assert_eq!(reason, LossReason::QuorumLost);
    assert!(begin.elapsed() < 21 * SECOND, "{:?}", begin.elapsed());
    assert!(!guard.is_valid());
    drop((guard, next));

    let again = redlock.reset("nobody's").await.unwrap();
    assert_eq!((again.removed(), again.is_complete()), (0, true));
}

#[tokio::test(start_paused = true)]
async fn an_extension_after_a_reset_says_that_the_lock_is_lost() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    assert!(nodes.redlock().reset("r").await.unwrap().is_complete());
    assert!(guard.is_valid(), "it has not looked yet");
    let error = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Lost { reason: LossReason::QuorumLost, .. }), "{error:?}");
    assert!(!guard.is_valid());
}

async fn collect(redlock: &Redlock, prefix: &str) -> (BTreeSet<(String, String)>, Vec<NodeError>) {
    split(redlock.list(prefix).unwrap().collect().await)
}

fn split(found: Vec<Result<Listed, NodeError>>) -> (BTreeSet<(String, String)>, Vec<NodeError>) {
    let (mut listed, mut errors) = (BTreeSet::new(), Vec::new());
    for found in found {
        match found {
            Ok(found) => {
                let name = (found.resource().to_string(), found.label().to_owned());
                assert!(listed.insert(name), "{found:?} twice, and nothing changed meanwhile");
            }
            Err(error) => errors.push(error),
        }
    }
    (listed, errors)
}

/// 100 orders and 100 of something else, each on three nodes.
async fn stocked(nodes: &Nodes) -> (Redlock, Vec<Guard>) {
    let redlock = nodes.builder().ttl(60 * SECOND).renewal(Renewal::off()).build().unwrap();
    let mut guards = Vec::new();
    for number in 0..100 {
        for kind in ["order", "other"] {
            guards.push(redlock.lock(format!("{kind}:{number}")).acquire().await.unwrap());
        }
    }
    redlock.settled().await;
    (redlock, guards)
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_listed_node_by_node_and_the_errors_of_nodes_among_it() {
    let nodes = Nodes::new(3);
    let (redlock, guards) = stocked(&nodes).await;
    let (listed, errors) = collect(&redlock, "order:").await;
    assert_eq!(listed.len(), 300);
    assert!(errors.is_empty());
    assert!(listed.contains(&("order:99".to_owned(), "c".to_owned())));
    assert_eq!(collect(&redlock, "").await.0.len(), 600);
    assert_eq!(collect(&redlock, "order:9").await.0.len(), 33);
    assert_eq!(collect(&redlock, "nothing").await.0.len(), 0);

    // The first page of one comes, the second does not; the others go on.
    nodes.0[1].script(Operation::List, [Fault::None, Fault::Hang]);
    nodes.script(2, Operation::List, DOWN);
    let (listed, errors) = collect(&redlock, "order:").await;
    let of = |label: &str| listed.iter().filter(|(_, on)| on == label).count();
    assert_eq!((of("a"), of("b"), of("c")), (100, 8, 0));
    let texts: BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
    let expected = ["b timed out after 100 ms", "c unreachable"].map(str::to_owned);
    assert_eq!(texts, BTreeSet::from(expected));
    drop(guards);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_not_read_asks_for_no_more_pages() {
    let nodes = Nodes::new(3);
    let (redlock, _guards) = stocked(&nodes).await;
    let mut list = redlock.list("").unwrap();
    for _ in 0..6 {
        list.next().await.unwrap().unwrap();
    }
    let pages: Vec<u64> = nodes.0.iter().map(|node| node.inner().calls().list).collect();
    assert!(pages.iter().all(|pages| *pages <= 2), "{pages:?}");
}

#[tokio::test(start_paused = true)]
async fn reset_all_removes_what_begins_so_and_nothing_else() {
    let nodes = Nodes::new(3);
    let (redlock, guards) = stocked(&nodes).await;
    let tokens: BTreeSet<_> = guards.iter().map(|guard| guard.token().clone()).collect();
    let mut removed = redlock.reset_all("order:").unwrap();
    let mut found = Vec::new();
    while let Some(one) = removed.next().await {
        found.push(one);
    }
    assert!(found.iter().flatten().all(|one| tokens.contains(one.token())));
    let (listed, errors) = split(found);
    assert_eq!((listed.len(), errors.len()), (300, 0));
    assert_eq!(nodes.count_keys(), 300);
    assert_eq!(collect(&redlock, "order:").await.0.len(), 0);
    assert_eq!(collect(&redlock, "other:").await.0.len(), 300);

    let error = redlock.reset_all("").map(drop).unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::EmptyPrefix)), "{error:?}");
    assert_eq!(nodes.count_keys(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_surveyed_is_an_error_for_this_node_alone() {
    let nodes = Nodes::new(2);
    let unable = Custom::new("unable", MemoryNode::named("unable"), |_, answer| answer);
    let redlock = nodes.builder().node(unable).build().unwrap();
    let reset = redlock.reset("r").await.unwrap();
    let errors: Vec<_> = reset.nodes().iter().filter_map(|node| node.removed().err()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind(), FailureKind::Unsupported);
    let (_, errors) = collect(&redlock, "").await;
    assert_eq!((errors.len(), errors[0].label()), (1, "unable"));
}

#[test]
fn without_a_runtime_nothing_is_asked() {
    let runtime = redlock_testkit::SimRuntime::new(1);
    let redlock = Redlock::builder().node(MemoryNode::new("a", runtime.shared())).build().unwrap();
    assert!(matches!(redlock.list("").map(drop), Err(Error::NoRuntime(_))));
    assert!(matches!(redlock.reset_all("x").map(drop), Err(Error::NoRuntime(_))));
    let inspected = futures::executor::block_on(redlock.inspect("r"));
    assert!(matches!(inspected, Err(Error::NoRuntime(_))));
}

/// A renewal in between would have the nodes that were first set the key again, and then those that
/// were last find a quorum of them.
#[tokio::test(start_paused = true)]
async fn a_reset_that_nodes_carry_out_one_after_the_other_is_a_loss_all_the_same() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(8 * SECOND).node_timeout(2 * SECOND);
    let redlock = builder.renewal(Renewal::off()).build().unwrap();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    nodes.script(1, Operation::Reset, Fault::DelayRequest(500 * MS));
    nodes.script(2, Operation::Reset, Fault::DelayRequest(1000 * MS));
    let operator = nodes.builder().node_timeout(2 * SECOND).build().unwrap();
    let mut extended = 0;
    let extending = async {
        while guard.extend(8 * SECOND).await.is_ok() {
            extended += 1;
            tokio::time::sleep(100 * MS).await;
        }
    };
    let (reset, lost) =
        futures::join!(operator.reset("r"), tokio::time::timeout(3 * SECOND, extending));
    let reset = reset.unwrap();
    assert_eq!((reset.removed(), reset.is_complete()), (3, true));
    assert!(lost.is_ok(), "extended {extended} times");
    assert!(extended > 5 && !guard.is_valid());
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0);
}

/// The next holder has come by the time at which the old one is looked for again.
#[tokio::test(start_paused = true)]
async fn a_reset_takes_nothing_from_whoever_comes_next() {
    let nodes = Nodes::new(3);
    let redlock = nodes.builder().ttl(60 * SECOND).node_timeout(2 * SECOND).build().unwrap();
    let _guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    nodes.script(2, Operation::Reset, Fault::DelayReply(SECOND));
    let next = async {
        tokio::time::sleep(100 * MS).await;
        nodes.redlock().lock("r").ttl(60 * SECOND).acquire().await.unwrap()
    };
    let (reset, next) = futures::join!(redlock.reset("r"), next);
    assert!(reset.unwrap().is_complete());
    assert_eq!(nodes.tokens("r"), vec![Some(next.token().clone()); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_one_resource_is_the_loss_of_its_set_under_a_prefix() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS).key_prefix("{app}:");
    let redlock = builder.build().unwrap();
    let guard = redlock.lock_all(["a", "b", "c"]).acquire().await.unwrap();
    redlock.settled().await;
    let operator = nodes.builder().key_prefix("{app}:").build().unwrap();
    assert_eq!(operator.reset("b").await.unwrap().removed(), 3);
    let begin = Instant::now();
    assert_eq!(guard.lost().await, LossReason::QuorumLost);
    assert!(begin.elapsed() < 21 * SECOND, "{:?}", begin.elapsed());
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0, "what was left of it is given up");
}
