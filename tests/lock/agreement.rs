//! What all clients are to have the same, and what becomes of one that has not.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use redlock_testkit::{Fault, Operation};
use redlocks::{
    Accord, Agreement, ConfigError, Delivery, Error, FailureKind, LockNode, Redlock,
    RedlockBuilder, Renewal, Resource,
};

use crate::{
    custom::Custom,
    support::{MS, Nodes, SECOND},
};

fn jobs() -> Resource {
    Resource::new("jobs").unwrap()
}

/// A client of the first so many of the nodes.
fn client_of(nodes: &Nodes, count: usize) -> RedlockBuilder {
    let builder = Redlock::builder().ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    nodes.0[..count]
        .iter()
        .fold(builder, |builder, node| builder.shared_node(Arc::clone(node) as Arc<dyn LockNode>))
}

fn agreeing(nodes: &Nodes, agreement: Agreement) -> Redlock {
    client_of(nodes, nodes.0.len()).agreement(agreement).build().unwrap()
}

/// Acquires, releases, and lets everything come to an end.
async fn lock(redlock: &Redlock) {
    redlock.lock("r").try_acquire().await.unwrap().release().await;
    redlock.settled().await;
}

/// How often each node was asked to agree, and how often to vote.
fn asked(nodes: &Nodes) -> Vec<(u64, u64)> {
    let calls = nodes.0.iter().map(|node| node.inner().calls());
    calls.map(|calls| (calls.agree, calls.acquire)).collect()
}

async fn put(nodes: &Nodes, node: usize, terms: &str) {
    nodes.memory(node).agree(&jobs(), terms).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn clients_that_agree_ask_each_node_once_and_lock() {
    let nodes = Nodes::new(3);
    let agreement = Agreement::named("jobs").max_ttl(60 * SECOND).servers("one \"two\" three");
    let (first, second) = (agreeing(&nodes, agreement.clone()), agreeing(&nodes, agreement));
    assert_eq!(asked(&nodes), [(0, 0); 3], "nothing is asked before the first lock");
    for _ in 0..3 {
        lock(&first).await;
    }
    assert_eq!(asked(&nodes), [(1, 3); 3]);
    lock(&second).await;
    assert_eq!(asked(&nodes), [(2, 4); 3]);
    for node in 0..3 {
        assert_eq!(
            nodes.memory(node).agreement(&jobs()).unwrap(),
            r#"redlocks=1 nodes=3 max_ttl=60000ms servers="one \"two\" three""#
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_no_agreement_pays_for_none() {
    let nodes = Nodes::new(3);
    put(&nodes, 0, "what nobody looks at").await;
    let before = asked(&nodes)[0].0;
    lock(&nodes.redlock()).await;
    assert_eq!(asked(&nodes), [(before, 1), (0, 1), (0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_more_nodes_is_refused_by_those_of_the_others_and_told_why() {
    let nodes = Nodes::new(5);
    let three = client_of(&nodes, 3).agreement(Agreement::named("jobs")).build().unwrap();
    lock(&three).await;
    let five = agreeing(&nodes, Agreement::named("jobs"));
    let error = five.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    for label in ["a", "b", "c"] {
        let why = format!(
            "{label} rejected the request: its clients agreed on [redlocks=1 nodes=3] as \"jobs\", \
             and this one has [redlocks=1 nodes=5]"
        );
        assert!(error.to_string().contains(&why), "{error}");
    }
    for node in &error.report().unwrap().nodes()[..3] {
        let error = node.error().unwrap();
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
    }
    five.settled().await;
    // They were not even asked for the lock, and what the other two gave is released.
    assert_eq!(asked(&nodes)[..3], [(2, 1); 3]);
    assert_eq!(nodes.count_keys(), 0);
    // The others are not disturbed, and another name is another agreement.
    lock(&three).await;
    lock(&agreeing(&nodes, Agreement::named("others"))).await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_differ_in_anything_else_are_refused_as_well() {
    let nodes = Nodes::new(3);
    let minute = || Agreement::named("jobs").max_ttl(60 * SECOND);
    lock(&agreeing(&nodes, minute())).await;
    for other in [Agreement::named("jobs"), minute().servers("x"), minute().max_ttl(59 * SECOND)] {
        let redlock = agreeing(&nodes, other.clone());
        // Whatever kind of lock it is.
        for lock in
            [redlock.lock("r"), redlock.lock("r").fencing(true), redlock.lock_all(["r", "s"])]
        {
            let error = lock.try_acquire().await.unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{other:?}: {error}");
        }
    }
    assert_eq!(asked(&nodes).iter().map(|(_, votes)| votes).sum::<u64>(), 3);
    lock(&agreeing(&nodes, minute())).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_may_last_longer_than_was_agreed_is_an_error_of_the_settings() {
    let nodes = Nodes::new(3);
    let agreement = || Agreement::named("jobs").max_ttl(2 * SECOND);
    let expected = |ttl, grace| ConfigError::TtlAboveAgreed { ttl, grace, max_ttl: 2 * SECOND };
    let builder = || client_of(&nodes, 3).agreement(agreement());
    let error = builder().ttl(2 * SECOND + MS).build().unwrap_err();
    assert_eq!(error, expected(2 * SECOND + MS, Duration::ZERO));
    let error = builder().grace(SECOND + MS).build().unwrap_err();
    assert_eq!(error, expected(SECOND, SECOND + MS));

    let redlock = builder().grace(SECOND).build().unwrap();
    let error = redlock.lock("r").ttl(SECOND + MS).try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::TtlAboveAgreed { .. })), "{error}");
    let mut guard = redlock.lock("r").try_acquire().await.unwrap();
    let error = guard.extend(3 * SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::TtlAboveAgreed { .. })), "{error}");
    assert!(guard.is_valid());
    guard.release().await;

    let error = builder().ttl(MS / 2).agreement(Agreement::named("jobs").max_ttl(MS / 2)).build();
    assert!(matches!(error, Err(ConfigError::TtlTooShort { .. })), "{error:?}");
    let error = client_of(&nodes, 3).agreement(Agreement::named("")).build().unwrap_err();
    assert_eq!(error, ConfigError::EmptyResource);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_restarted_empty_is_asked_again_and_has_it_again() {
    let nodes = Nodes::new(3);
    let redlock = agreeing(&nodes, Agreement::named("jobs"));
    lock(&redlock).await;
    let terms = nodes.memory(1).agreement(&jobs());
    nodes.memory(1).crash_and_forget();
    nodes.memory(1).restart();
    assert_eq!(nodes.memory(1).agreement(&jobs()), None);
    for _ in 0..2 {
        lock(&redlock).await;
    }
    assert_eq!(nodes.memory(1).agreement(&jobs()), terms);
    assert_eq!(asked(&nodes), [(1, 3), (2, 3), (1, 3)]);

    // One that has restarted with what it had is asked as well: nobody can know.
    nodes.memory(2).crash();
    nodes.memory(2).restart();
    lock(&redlock).await;
    assert_eq!(asked(&nodes), [(1, 4), (2, 4), (2, 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_grant_of_a_node_that_became_another_on_the_way_counts_only_if_that_one_agrees() {
    for (others, counts) in [("redlocks=1 nodes=1", true), ("redlocks=1 nodes=3", false)] {
        let nodes = Nodes::new(1);
        let redlock = agreeing(&nodes, Agreement::named("jobs"));
        let memory = nodes.memory(0).clone();
        nodes.0[0].rule(move |operation, _| {
            // Between the question whether it agrees and the one for the lock.
            if operation == Operation::Acquire && memory.calls().acquire == 0 {
                memory.crash_and_forget();
                memory.restart();
                memory.agree(&jobs(), others).now_or_never().unwrap().unwrap();
            }
            Fault::None
        });
        let locked = redlock.lock("r").try_acquire().await;
        match locked {
            Ok(guard) => {
                assert!(counts);
                guard.release().await;
            }
            Err(error) => {
                assert!(!counts, "{error}");
                assert!(error.to_string().contains("agreed on [redlocks=1 nodes=3]"), "{error}");
            }
        }
        assert_eq!(nodes.memory(0).calls().acquire, 1);
        nodes.assert_clean(&redlock).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_minority_that_disagrees_costs_its_votes_until_it_is_put_right() {
    let nodes = Nodes::new(3);
    put(&nodes, 2, "redlocks=1 nodes=7").await;
    let redlock = agreeing(&nodes, Agreement::named("jobs"));
    let guard = redlock.lock("r").try_acquire().await.unwrap();
    redlock.settled().await;
    let has = |nodes: &Nodes| nodes.tokens("r").iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(has(&nodes), [true, true, false]);
    guard.release().await;

    // By an operator, without a restart of anybody.
    nodes.memory(2).forget_agreement(&jobs());
    let guard = redlock.lock("r").try_acquire().await.unwrap();
    redlock.settled().await;
    assert_eq!(has(&nodes), [true; 3]);
    guard.release().await;
    assert_eq!(nodes.memory(2).agreement(&jobs()).unwrap(), "redlocks=1 nodes=3");
}

#[tokio::test(start_paused = true)]
async fn a_majority_that_disagrees_is_none_until_it_is_put_right() {
    let nodes = Nodes::new(3);
    for node in 0..2 {
        put(&nodes, node, "redlocks=1 nodes=7").await;
    }
    let redlock = agreeing(&nodes, Agreement::named("jobs"));
    let error = redlock.lock("r").acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    nodes.assert_clean(&redlock).await;
    for node in 0..2 {
        nodes.memory(node).forget_agreement(&jobs());
    }
    lock(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_asked_has_failed_as_any() {
    let nodes = Nodes::new(3);
    let redlock = agreeing(&nodes, Agreement::named("jobs"));
    nodes.script(0, Operation::Agree, Fault::LoseReply);
    lock(&redlock).await;
    // The answer that was lost is asked for again.
    lock(&redlock).await;
    assert_eq!(asked(&nodes), [(2, 1), (1, 2), (1, 2)]);

    let redlock = agreeing(&nodes, Agreement::named("jobs"));
    nodes.script(0, Operation::Agree, Fault::Hang);
    nodes.script(1, Operation::Agree, Fault::LoseRequest);
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("a timed out after 50 ms"), "{error}");
    assert!(error.to_string().contains("b closed the connection"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_not_kept_by_a_client_that_disagrees_and_stays_as_it_is() {
    let nodes = Nodes::new(3);
    let first = agreeing(&nodes, Agreement::named("jobs"));
    let lease = first.lock("r").try_acquire().await.unwrap().into_lease();
    first.settled().await;
    let other = agreeing(&nodes, Agreement::named("jobs").servers("x"));
    let error = other.adopt(&lease).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    other.settled().await;
    assert!(first.adopt(&lease).await.unwrap().is_valid());
    // What is held can always be given up.
    assert!(other.release(&lease).await.is_released());
}

#[tokio::test(start_paused = true)]
async fn every_node_must_be_able_to_keep_it() {
    let nodes = Nodes::new(2);
    let unable = Custom::new("u", nodes.memory(0).clone(), |_, answer| answer);
    assert!(unable.accord().is_none());
    let builder = || nodes.builder().node(Custom::new("u", nodes.memory(0).clone(), |_, a| a));
    let error = builder().agreement(Agreement::named("jobs")).build().unwrap_err();
    assert_eq!(error, ConfigError::NoAccord { label: "u".to_owned() });
    builder().build().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_prefix_goes_before_its_name() {
    let nodes = Nodes::new(3);
    lock(&agreeing(&nodes, Agreement::named("jobs"))).await;
    let app = client_of(&nodes, 3).key_prefix("app:");
    let app = app.agreement(Agreement::named("jobs").servers("x")).build().unwrap();
    lock(&app).await;
    let terms = nodes.memory(0).agreement(&Resource::new("app:jobs").unwrap());
    assert_eq!(terms.unwrap(), "redlocks=1 nodes=3 servers=\"x\"");
}
