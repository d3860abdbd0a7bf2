//! What a guard and a lease do while the lock is held: time, extension, loss, hand-over.

use crate::{
    custom::Custom,
    support::{MS, Nodes, SECOND, VALIDITY},
};
use std::{pin::pin, time::Duration};

use futures::{FutureExt, poll};
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{
    Delivery, Error, FailureKind, Lease, LossReason, NodeError, ReleaseOutcome, Resource,
};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_guard_turns_invalid_by_itself_and_before_any_node_forgets() {
    let nodes = Nodes::new(3);
    let guard = nodes.redlock().lock("r").acquire().await.unwrap();
    sleep(VALIDITY - MS).await;
    assert!(guard.is_valid());
    assert_eq!(guard.remaining(), MS);
    sleep(MS).await;
    assert!(!guard.is_valid());
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert_eq!(nodes.count_keys(), 3);
    assert_eq!(guard.lease().validity(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_extension_counts_from_its_own_start_and_never_shortens() {
    let nodes = Nodes::new(3);
    let mut guard = nodes.redlock().lock("r").acquire().await.unwrap();
    sleep(500 * MS).await;
    guard.extend(2 * SECOND).await.unwrap();
    let validity = 1978 * MS;
    assert_eq!(guard.remaining(), validity);
    assert_eq!(guard.lease().ttl().get(), 2 * SECOND);
    guard.extend(SECOND).await.unwrap();
    assert_eq!(guard.remaining(), validity);
    for node in 0..3 {
        assert!(nodes.memory(node).keys()[0].remaining > 1990 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_guard_is_not_extended_and_no_node_is_asked_to() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    sleep(VALIDITY).await;
    let lost = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, report: None, .. }));
    assert_eq!(nodes.memory(0).calls().extend, 0);
    assert_eq!(lost.to_string(), r#"lost "r": its validity ended before it was extended"#);
    // Nodes would keep it a little longer; whoever lost it cleans up.
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_extension_leaves_the_lock_as_it_was() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    nodes.memory(0).hang();
    nodes.script(1, Operation::Extend, Fault::LoseRequest);
    sleep(100 * MS).await;
    let error = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(guard.remaining(), VALIDITY - 150 * MS);
    assert_eq!(nodes.memory(1).calls().release, 0, "a held lock is not released");
    // And it can be tried again.
    guard.extend(SECOND).await.unwrap();
    assert_eq!(guard.remaining(), VALIDITY);
    nodes.memory(0).resume();
    drop(guard);
    nodes.assert_clean(&redlock).await;
}

/// A failure that was counted before them hides no definite no that is there already.
#[tokio::test(start_paused = true)]
async fn a_blocking_minority_without_the_key_is_a_loss_in_whatever_order_nodes_answer() {
    for down in 0..5 {
        let nodes = Nodes::new(5);
        let redlock = nodes.redlock();
        let mut guard = redlock.lock("r").acquire().await.unwrap();
        for gone in [1, 2, 3] {
            nodes.memory((down + gone) % 5).evict(guard.resource());
        }
        nodes.memory(down).crash();
        let lost = guard.extend(SECOND).await.unwrap_err();
        assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
        assert!(!guard.is_valid());
        nodes.memory(down).restart();
        nodes.assert_clean(&redlock).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_definite_no_that_comes_after_a_failed_extension_can_still_be_the_loss() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    for gone in [1, 2, 3] {
        nodes.memory(gone).evict(guard.resource());
    }
    nodes.memory(0).crash();
    nodes.script(3, Operation::Extend, Fault::DelayReply(10 * MS));
    let error = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(guard.is_valid(), "two of five is no blocking minority yet");
    sleep(11 * MS).await;
    assert!(!guard.is_valid());
    nodes.memory(0).restart();
    nodes.assert_clean(&redlock).await;
    let lost = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_asked_for_less_time_is_released_for_as_long_as_nodes_remember() {
    for by_the_guard in [true, false] {
        let nodes = Nodes::new(3);
        let redlock = nodes.redlock();
        let mut guard = redlock.lock("r").ttl(10 * SECOND).acquire().await.unwrap();
        let until = guard.remaining();
        let lease = if by_the_guard {
            guard.extend(SECOND).await.unwrap();
            guard.into_lease()
        } else {
            redlock.extend(&guard.into_lease(), SECOND).await.unwrap()
        };
        assert_eq!(lease.validity(), until, "it never becomes shorter");
        nodes.0[2].rule(|operation, _| match operation {
            Operation::Release => Fault::LoseRequest,
            _ => Fault::None,
        });
        assert!(redlock.release(&lease).await.is_released());
        sleep(3 * SECOND).await;
        nodes.0[2].heal();
        sleep(2 * SECOND).await;
        assert_eq!(nodes.count_keys(), 0);
    }
}

/// Nodes that are asked to keep it for less keep it for as long as before, so nothing is lost while
/// the future that asked them is not polled.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_extended_late_by_less_than_it_has_is_as_it_was() {
    for has_travelled in [false, true] {
        let nodes = Nodes::new(3);
        let redlock = nodes.redlock();
        let lease = redlock.lock("r").ttl(60 * SECOND).acquire().await.unwrap().into_lease();
        let arrived = Lease::new(lease.resource().clone(), lease.token().clone(), lease.ttl());
        for node in 0..3 {
            nodes.script(node, Operation::Extend, Fault::DelayReply(10 * MS));
        }
        {
            let mut extending =
                pin!(redlock.extend(if has_travelled { &arrived } else { &lease }, SECOND));
            assert!(poll!(&mut extending).is_pending());
            advance(2 * SECOND).await;
            if has_travelled {
                let error = extending.await.unwrap_err();
                assert!(matches!(error, Error::TooSlow(_)), "nobody here knows its end: {error}");
            } else {
                let extended = extending.await.unwrap();
                assert_eq!(extended.until(), lease.until());
                assert_eq!(extended.ttl(), lease.ttl());
            }
        }
        redlock.settled().await;
        assert_eq!(nodes.count_keys(), 3);
        assert!(redlock.adopt(&arrived).await.unwrap().is_valid());
    }
}

/// A loss is told a little before the end of validity, and the nodes are released then.
#[tokio::test(start_paused = true)]
async fn a_lease_taken_out_after_its_loss_was_told_is_worth_nothing() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let begun = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!(begun.elapsed() < VALIDITY, "after it every lease is worth nothing");
    let lease = guard.into_lease();
    assert_eq!(lease.validity(), Duration::ZERO);
    let error = redlock.adopt(&lease).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    nodes.assert_clean(&redlock).await;
}

/// Its nodes keep it for the grace, and release it then, whoever has gone on with it meanwhile.
#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_lease_taken_out_after_its_loss_was_told_is_lost_wherever_it_is_sent() {
    for extended in [false, true] {
        let nodes = Nodes::new(3);
        let builder = || nodes.builder().ttl(SECOND).grace(5 * SECOND);
        let (here, there) =
            (builder().renewal(redlocks::Renewal::off()).build().unwrap(), builder().build());
        let there = there.unwrap();
        let guard = here.lock("r").acquire().await.unwrap();
        guard.lost().await;
        let sent = serde_json::to_string(&guard.into_lease()).unwrap();
        let arrived: Lease = serde_json::from_str(&sent).unwrap();
        assert_eq!(nodes.count_keys(), 3, "nobody could tell from the nodes");
        let error = if extended {
            there.extend(&arrived, SECOND).await.unwrap_err()
        } else {
            there.adopt(&arrived).await.unwrap_err()
        };
        assert!(matches!(error, Error::Lost { reason: LossReason::Expired, .. }), "{error}");
        assert_eq!(nodes.memory(0).calls().extend, 0);
        assert!(there.release(&arrived).await.is_released(), "that hurts nobody");
        assert_eq!(nodes.count_keys(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_lost_lock_says_why_it_is_lost() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(guard.lease().lost(), None);
    nodes.memory(0).evict(guard.resource());
    nodes.memory(1).evict(guard.resource());
    guard.extend(SECOND).await.unwrap_err();
    assert_eq!(guard.lease().lost(), Some(LossReason::QuorumLost));
    let lease = guard.into_lease();
    assert_eq!(lease.lost(), Some(LossReason::QuorumLost));
    let error = redlock.adopt(&lease).await.unwrap_err();
    assert!(matches!(error, Error::Lost { reason: LossReason::QuorumLost, .. }), "{error}");
    nodes.assert_clean(&redlock).await;
}

/// One node that has lost the key is no other holder: with the others it would still be a quorum.
#[tokio::test(start_paused = true)]
async fn an_extension_that_failed_for_an_outage_is_never_called_contention() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    nodes.memory(0).evict(guard.resource());
    nodes.memory(1).crash();
    let error = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(guard.is_valid());
    let error = redlock.adopt(&guard.into_lease()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_extension_whose_quorum_comes_after_the_old_end_is_a_loss() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    sleep(VALIDITY - 10 * MS).await;
    for node in 0..3 {
        nodes.script(node, Operation::Extend, Fault::DelayReply(20 * MS));
    }
    let lost = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, .. }), "{lost}");
    assert!(!guard.is_valid());
    nodes.assert_clean(&redlock).await;
    assert_eq!(guard.release().await.outcome(), ReleaseOutcome::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_minority_without_the_key_is_a_loss_at_once() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    for node in [0, 1, 2] {
        nodes.memory(node).evict(&Resource::new("r").unwrap());
    }
    nodes.occupy([2], "r", SECOND).await;
    let lost = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
    assert!(!guard.is_valid());
    assert_eq!(
        lost.to_string(),
        "lost \"r\": too few nodes are left that have it; 0 of 5 nodes extended, 3 needed; \
         held by another at c; not held at a, b; no answer yet from d, e",
    );
    nodes.vacate([2], "r").await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_says_what_had_become_of_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();

    let guard = redlock.lock("r").acquire().await.unwrap();
    let release = guard.release().await;
    assert!(release.is_released());
    assert!(release.to_string().starts_with(r#"released "r": 3 of 3 nodes released, 2 needed"#));

    let guard = redlock.lock("r").acquire().await.unwrap();
    sleep(2 * SECOND).await;
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Expired);
    assert!(release.to_string().starts_with(r#""r" had expired: 0 of 3 nodes"#), "{release}");

    let guard = redlock.lock("r").acquire().await.unwrap();
    sleep(2 * SECOND).await;
    nodes.occupy([0, 1, 2], "r", SECOND).await;
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::TakenByAnother);
    assert_eq!(nodes.count_keys(), 3, "what is another's is not touched");
    nodes.vacate([0, 1, 2], "r").await;

    let guard = redlock.lock("r").acquire().await.unwrap();
    nodes.memory(0).hang();
    nodes.memory(1).hang();
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Unknown);
    assert!(release.to_string().contains("a timed out after 50 ms"), "{release}");
    nodes.memory(0).resume();
    nodes.memory(1).resume();
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_out_is_extended_adopted_and_released_elsewhere() {
    let nodes = Nodes::new(3);
    let here = nodes.redlock();
    let there = nodes.redlock();

    let lease = here.lock("r").acquire().await.unwrap().into_lease();
    here.settled().await;
    assert_eq!(nodes.count_keys(), 3, "giving it away releases nothing");

    // Across a process border only resource, token and ttl are known.
    let arrived = Lease::new(lease.resource().clone(), lease.token().clone(), lease.ttl());
    sleep(300 * MS).await;
    let extended = there.extend(&arrived, 3 * SECOND).await.unwrap();
    assert_eq!(extended.ttl().get(), 3 * SECOND);
    assert!(nodes.memory(0).keys()[0].remaining > 2 * SECOND);

    let guard = there.adopt(&extended).await.unwrap();
    assert!(guard.is_valid());
    let lease = guard.into_lease();
    assert!(here.release(&lease).await.is_released());
    assert_eq!(nodes.count_keys(), 0);

    let lost = there.adopt(&arrived).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
    assert_eq!(here.release(&lease).await.outcome(), ReleaseOutcome::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_this_process_is_not_extended_after_its_end() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    sleep(VALIDITY).await;
    let lost = redlock.extend(&lease, SECOND).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, .. }), "{lost}");
    assert_eq!(nodes.memory(0).calls().extend, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_could_not_be_adopted_for_an_outage_stays_as_it_is() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    nodes.memory(0).hang();
    nodes.memory(1).hang();
    let error = redlock.adopt(&lease).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    nodes.memory(0).resume();
    nodes.memory(1).resume();
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 3);
    assert!(redlock.adopt(&lease).await.unwrap().is_valid());
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_being_adopted_is_cleaned_up() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    for node in [0, 1] {
        nodes.memory(node).evict(lease.resource());
    }
    redlock.adopt(&lease).await.unwrap_err();
    nodes.assert_clean(&redlock).await;
}

/// A request to extend that never reached its node says nothing of the key that was there before.
#[tokio::test(start_paused = true)]
async fn a_node_that_no_extension_reached_is_released_with_the_adopted_lock() {
    let nodes = Nodes::new(2);
    let memory = MemoryNode::named("behind");
    // Its connection is lost: what asks it to extend never gets there, and that takes a while.
    let reconnecting = Custom::new("reconnecting", memory.clone(), |operation, behind| {
        if operation != Operation::Extend {
            return behind;
        }
        async {
            sleep(10 * MS).await;
            let error = NodeError::new("reconnecting", FailureKind::Unreachable);
            Err(error.with_delivery(Delivery::NotSent))
        }
        .boxed()
    });
    let builder = nodes.builder().node(reconnecting);
    let redlock = builder.ttl(SECOND).node_timeout(50 * MS).build().unwrap();

    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    let guard = redlock.adopt(&lease).await.unwrap();
    assert!(guard.release().await.is_released());
    nodes.assert_clean(&redlock).await;
    assert!(memory.keys().is_empty(), "it was released before its call returned");

    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    nodes.memory(0).evict(lease.resource());
    nodes.script(0, Operation::Extend, Fault::DelayReply(20 * MS));
    nodes.script(1, Operation::Extend, Fault::DelayReply(20 * MS));
    nodes.memory(1).evict(lease.resource());
    let lost = redlock.adopt(&lease).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
    nodes.assert_clean(&redlock).await;
    assert!(memory.keys().is_empty(), "it was lost after its call had returned");

    let lease = redlock.lock("r").acquire().await.unwrap().into_lease();
    nodes.memory(0).evict(lease.resource());
    nodes.memory(1).evict(lease.resource());
    redlock.adopt(&lease).await.unwrap_err();
    nodes.assert_clean(&redlock).await;
    assert!(memory.keys().is_empty(), "it was lost before its call returned");
}

#[tokio::test(start_paused = true)]
async fn acquiring_twice_from_one_lock_makes_two_competitors() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let first = lock.try_acquire().await.unwrap();
    assert!(matches!(lock.try_acquire().await, Err(Error::Contended(_))));
    assert!(first.is_valid());
    first.release().await;
    nodes.assert_clean(&redlock).await;
}
