//! How often and how long an acquire tries, and what it says in the end.

use crate::support::{MS, Nodes, SECOND};
use std::time::Duration;

use redlock_testkit::{Fault, Operation};
use redlocks::{Delivery, Error, FailureKind, Retry};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn the_policy_says_how_often_and_there_is_no_pause_after_the_last_attempt() {
    let nodes = Nodes::new(1);
    // One that told of releases would be asked once more, when somebody listens.
    nodes.memory(0).mute();
    nodes.occupy([0], "r", 60 * SECOND).await;
    nodes.memory(0).reset_calls();
    let retry = Retry::fixed(200 * MS).jitter(0.0).unwrap().attempts(3).unwrap();
    let start = Instant::now();
    let error = nodes.redlock().lock("r").retry(retry).acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    assert_eq!(nodes.memory(0).calls().acquire, 3);
    assert_eq!(start.elapsed(), 400 * MS);
}

#[tokio::test(start_paused = true)]
async fn patience_is_kept_to_the_end_and_restarted_by_nothing() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", 60 * SECOND).await;
    let retry = Retry::fixed(70 * MS).attempts(2).unwrap();
    for lock in [
        redlock.lock("r").retry(retry),
        redlock.lock("r").retry(Retry::exponential(MS, 10 * SECOND).unwrap()),
    ] {
        let start = Instant::now();
        let error = lock.acquire_within(2 * SECOND).await.unwrap_err();
        let took = start.elapsed();
        assert!(took <= 2 * SECOND && took >= 1900 * MS, "{took:?}");
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        let start = Instant::now();
        lock.wait(SECOND).acquire().await.unwrap_err();
        assert!(start.elapsed() <= SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_patience_below_the_node_timeout_is_used_and_not_given_up_at_once() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", 10 * MS).await;
    let lock = redlock.lock("r").retry(Retry::fixed(5 * MS));
    let start = Instant::now();
    let guard = lock.acquire_within(40 * MS).await.unwrap();
    assert!(start.elapsed() >= 10 * MS && start.elapsed() <= 40 * MS);
    guard.release().await;

    nodes.occupy([0, 1], "r", SECOND).await;
    let start = Instant::now();
    let error = lock.acquire_within(40 * MS).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(start.elapsed() >= 20 * MS, "given up after {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_patience_is_one_attempt() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    drop(redlock.lock("r").acquire_within(Duration::ZERO).await.unwrap());
    nodes.assert_clean(&redlock).await;
    nodes.occupy([0, 1, 2], "r", SECOND).await;
    nodes.memory(0).reset_calls();
    let error = redlock.lock("r").acquire_within(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!(nodes.memory(0).calls().acquire, 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_gets_the_lock_when_its_holder_is_gone() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let guard = redlock.lock("r").acquire().await.unwrap();
    std::mem::forget(guard);
    let next = redlock.lock("r").acquire_within(5 * SECOND).await.unwrap();
    assert!(next.is_valid());
}

#[tokio::test(start_paused = true)]
async fn one_hung_node_of_five_costs_no_time_and_three_cost_the_node_timeout() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    nodes.memory(4).hang();
    let start = Instant::now();
    let guard = redlock.lock("r").try_acquire().await.unwrap();
    guard.release().await;
    assert_eq!(start.elapsed(), Duration::ZERO);

    nodes.memory(0).hang();
    nodes.memory(2).hang();
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert_eq!(start.elapsed(), 50 * MS);
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_only_may_have_been_set_is_undone_without_being_waited_for() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", SECOND).await;
    nodes.script(2, Operation::Acquire, Fault::LoseReply);
    nodes.script(2, Operation::Release, Fault::DelayRequest(40 * MS));
    let start = Instant::now();
    redlock.lock("r").try_acquire().await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_is_one_readable_sentence_with_every_node_in_it() {
    let nodes = Nodes::new(5);
    let redlock = nodes.redlock();
    nodes.occupy([1, 2], "orders:42", SECOND).await;
    let down = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };
    nodes.script(3, Operation::Acquire, down);
    nodes.memory(4).hang();
    // Slower than the time-out of the last one, so that its ballot is in the tally.
    nodes.script(1, Operation::Acquire, Fault::DelayReply(49 * MS));
    nodes.script(2, Operation::Acquire, Fault::DelayReply(49 * MS));
    let error = redlock.lock("orders:42").try_acquire().await.unwrap_err();
    let sentence = "could not acquire \"orders:42\": 1 of 5 nodes granted, 3 needed; \
                    held by another at b, c; d unreachable; no answer yet from e";
    assert_eq!(error.to_string(), sentence);

    nodes.script(3, Operation::Acquire, down);
    nodes.script(1, Operation::Acquire, Fault::Hang);
    let error = redlock.lock("orders:42").try_acquire().await.unwrap_err();
    let sentence = "could not acquire \"orders:42\": 1 of 5 nodes granted, 3 needed; \
                    held by another at c; b timed out after 50 ms; d unreachable; \
                    e timed out after 50 ms";
    assert_eq!(error.to_string(), sentence);
    let report = error.report().unwrap();
    assert_eq!(report.granted(), 1);
    assert_eq!(report.nodes()[4].error().unwrap().kind(), FailureKind::TimedOut);
    let patient = redlock.lock("orders:42").acquire_within(Duration::ZERO).await.unwrap_err();
    assert!(patient.to_string().starts_with("gave up on \"orders:42\" after 0ns; could not"));
}
