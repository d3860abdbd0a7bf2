//! An owner who takes his lock again while he has it.

use std::sync::Arc;

use futures::{FutureExt, future::join_all, join};
use redlock_testkit::{Fault, Operation};
use redlocks::{Error, LossReason, Renewal, Retry};
use tokio::time::sleep;

use crate::support::{MS, Nodes, SECOND, VALIDITY};

#[tokio::test(start_paused = true)]
async fn guards_are_counted_and_only_the_last_asks_nodes() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let outer = owner.acquire().await.unwrap();
    let inner = owner.clone().try_acquire().await.unwrap();
    let innermost = owner.acquire_within(SECOND).await.unwrap();
    assert_eq!((outer.depth(), outer.token()), (3, innermost.token()));
    for node in 0..3 {
        assert_eq!(nodes.memory(node).calls().acquire, 1);
    }
    // In any order, by word or by drop.
    assert!(outer.release().await.is_none());
    drop(innermost);
    redlock.settled().await;
    assert!(inner.is_valid() && inner.depth() == 1);
    assert_eq!((nodes.count_keys(), nodes.memory(0).calls().release), (3, 0));
    assert!(inner.release().await.unwrap().is_released());
    assert_eq!(nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_guard_that_is_dropped_releases() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let guards = [owner.acquire().await.unwrap(), owner.acquire().await.unwrap()];
    drop(owner);
    assert!(guards[0].is_valid());
    drop(guards);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn owners_and_plain_locks_compete_with_each_other() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let (mine, yours) = (lock.reentrant(), lock.reentrant());
    let guard = mine.acquire().await.unwrap();
    assert!(matches!(yours.try_acquire().await, Err(Error::Contended(_))));
    assert!(matches!(lock.try_acquire().await, Err(Error::Contended(_))));
    assert!(guard.release().await.unwrap().is_released());
    let guard = yours.try_acquire().await.unwrap();
    assert!(matches!(mine.try_acquire().await, Err(Error::Contended(_))));
    guard.release().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_hold_is_not_revived_and_the_next_has_a_token_of_its_own() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let outer = owner.acquire().await.unwrap();
    let token = outer.token().clone();
    sleep(VALIDITY).await;
    for _ in 0..2 {
        let lost = owner.acquire().await.unwrap_err();
        assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, .. }), "{lost}");
    }
    assert_eq!(outer.loss().reason(), Some(LossReason::Expired));
    assert_eq!(nodes.memory(0).calls().acquire, 1, "nobody was asked");
    drop(outer);
    let fresh = owner.acquire().await.unwrap();
    assert!(fresh.is_valid());
    assert_ne!(fresh.token(), &token);
    fresh.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_ask_the_nodes_once() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(10 * MS));
    }
    let tasks = (0..20).map(|_| {
        let owner = owner.clone();
        tokio::spawn(async move { owner.acquire_within(SECOND).await.unwrap() })
    });
    let guards: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(guards[0].depth(), 20);
    assert_eq!(nodes.memory(0).calls().acquire, 1);
    drop(guards);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_fail_at_once_fail_together_and_each_tries_again() {
    let nodes = Nodes::new(3);
    nodes.occupy([0, 1, 2], "r", 60 * SECOND).await;
    nodes.memory(2).reset_calls();
    let redlock = nodes.redlock();
    let retry = Retry::fixed(10 * MS).attempts(2).unwrap();
    let owner = redlock.lock("r").retry(retry).reentrant();
    nodes.memory(0).hang();
    nodes.memory(1).hang();
    // Two hang, so an attempt lasts for as long as nodes may take: twenty of them do not add up.
    let begun = tokio::time::Instant::now();
    let failed = join_all((0..20).map(|_| owner.try_acquire())).await;
    assert!(failed.iter().all(|done| matches!(done, Err(Error::Unavailable(_)))));
    assert!(begun.elapsed() <= 60 * MS, "{:?}", begun.elapsed());
    assert_eq!(nodes.memory(2).calls().acquire, 1);
    nodes.memory(0).resume();
    nodes.memory(1).resume();
    let before = nodes.memory(2).calls().acquire;
    let failed = join!(owner.acquire(), owner.acquire());
    assert!(matches!(failed, (Err(Error::Contended(_)), Err(Error::Contended(_)))));
    assert!(nodes.memory(2).calls().acquire >= before + 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_has_failed_is_not_joined_although_somebody_has_yet_to_hear_of_it() {
    let nodes = Nodes::new(3);
    nodes.occupy([0, 1, 2], "r", 60 * SECOND).await;
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(10 * MS));
    }
    let mut idle = Box::pin(owner.try_acquire());
    assert!((&mut idle).now_or_never().is_none());
    assert!(matches!(owner.try_acquire().await, Err(Error::Contended(_))));
    nodes.vacate([0, 1, 2], "r").await;
    let guard = owner.try_acquire().await.unwrap();
    assert!(matches!(idle.await, Err(Error::Contended(_))));
    guard.release().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_an_attempt_goes_on_with_it_when_the_first_has_gone() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(20 * MS));
    }
    let first = {
        let owner = owner.clone();
        tokio::spawn(async move { owner.acquire().await })
    };
    sleep(MS).await;
    let second = tokio::spawn({
        let owner = owner.clone();
        async move { owner.acquire().await }
    });
    sleep(MS).await;
    first.abort();
    let guard = second.await.unwrap().unwrap();
    assert_eq!((guard.depth(), nodes.memory(0).calls().acquire), (1, 1));
    guard.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn when_all_have_gone_the_attempt_is_undone() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(20 * MS));
    }
    {
        let (one, two) = (owner.acquire(), owner.acquire());
        let mut both = Box::pin(async { join!(one, two) });
        assert!((&mut both).now_or_never().is_none());
        sleep(5 * MS).await;
        assert!((&mut both).now_or_never().is_none());
    }
    nodes.assert_clean(&redlock).await;
    assert!(owner.acquire().await.unwrap().release().await.unwrap().is_released());
}

/// The attempt that is joined may have more time than the one who joins it.
#[tokio::test(start_paused = true)]
async fn patience_ends_on_time_also_for_those_who_have_joined() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    for node in 0..3 {
        nodes.script(node, Operation::Acquire, Fault::DelayReply(40 * MS));
    }
    let patient = owner.acquire();
    let hasty = async {
        let begun = tokio::time::Instant::now();
        let error = owner.acquire_within(10 * MS).await.unwrap_err();
        (error, begun.elapsed())
    };
    let (guard, (error, took)) = join!(patient, hasty);
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("no answer yet from a, b, c"), "{error}");
    assert!(took <= 11 * MS, "{took:?}");
    assert_eq!(guard.unwrap().depth(), 1);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn an_extension_counts_for_all_guards_and_renewal_goes_on_until_the_last() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let (outer, mut inner) = (owner.acquire().await.unwrap(), owner.acquire().await.unwrap());
    inner.extend(3 * SECOND).await.unwrap();
    drop(inner);
    assert!(outer.remaining() > 2 * SECOND);
    outer.release().await;

    let owner = redlock.lock("kept").renewal(Renewal::default()).reentrant();
    let (outer, inner) = (owner.acquire().await.unwrap(), owner.acquire().await.unwrap());
    drop(outer);
    sleep(10 * SECOND).await;
    assert!(inner.is_valid());
    drop(inner);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn two_guards_extend_one_after_the_other() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let owner = redlock.lock("r").reentrant();
    let (mut one, mut two) = (owner.acquire().await.unwrap(), owner.acquire().await.unwrap());
    for node in 0..3 {
        nodes.script(node, Operation::Extend, Fault::DelayReply(10 * MS));
    }
    let mut both = Box::pin(async { join!(one.extend(SECOND), two.extend(SECOND)) });
    assert!((&mut both).now_or_never().is_none());
    assert_eq!(nodes.memory(0).calls().extend, 1);
    let (one, two) = both.await;
    one.and(two).unwrap();
    assert_eq!(nodes.memory(0).calls().extend, 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_release_at_once_one_is_the_last() {
    for _ in 0..50 {
        let nodes = Nodes::new(3);
        let redlock = nodes.redlock();
        let owner = redlock.lock("r").reentrant();
        let (one, two) = (owner.acquire().await.unwrap(), owner.acquire().await.unwrap());
        let released = tokio::join!(tokio::spawn(one.release()), tokio::spawn(two.release()));
        let last = [released.0.unwrap(), released.1.unwrap()].into_iter().flatten().count();
        assert_eq!((last, nodes.count_keys()), (1, 0));
    }
}

/// What other clients do there is to overwrite the first token, whose key then stays for the ttl.
#[tokio::test(start_paused = true)]
async fn acquiring_twice_on_one_lock_makes_two_competitors_and_orphans_no_key() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = Arc::new(redlock.lock("r").retry(Retry::fixed(10 * MS).unlimited()));
    let first = lock.try_acquire().await.unwrap();
    let error = lock.try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    assert!(first.is_valid());
    assert!(nodes.tokens("r").iter().all(|token| token.as_ref() == Some(first.token())));

    let second = tokio::spawn({
        let lock = Arc::clone(&lock);
        async move { lock.acquire().await.unwrap() }
    });
    sleep(50 * MS).await;
    assert!(first.release().await.is_released());
    let second = second.await.unwrap();
    assert!(second.is_valid());
    // Both at once, with nobody holding it: at most one has it.
    assert!(second.release().await.is_released());
    let (one, two) = join!(lock.try_acquire(), lock.try_acquire());
    assert!(one.is_err() || two.is_err());
    drop((one, two));
    nodes.assert_clean(&redlock).await;
}
