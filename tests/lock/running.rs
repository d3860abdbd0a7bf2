//! What becomes of a body that runs under a lock.

use std::{cell::Cell, panic::AssertUnwindSafe, pin::pin, task::Poll};

use crate::support::{LEAD, MS, Nodes, SECOND, VALIDITY};
use futures::FutureExt;
use redlocks::{Error, LossReason, Retry};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_body_that_panics() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let run = lock.run(async |_| -> u8 { panic!("in the body") });
    AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
    nodes.assert_clean(&redlock).await;
}

/// Everything that waits can be spawned, so it is `Send`, also with a borrowing body.
#[tokio::test(start_paused = true)]
async fn every_call_can_be_spawned() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let all = {
        let redlock = redlock.clone();
        async move {
            let mut count = 0;
            redlock.lock("run").run(async |lease| count += lease.token().as_bytes().len()).await?;
            let mut guard = redlock.lock("r").acquire_within(SECOND).await?;
            guard.extend(SECOND).await?;
            let guard = redlock.adopt(&guard.into_lease()).await?;
            guard.release().await;
            Ok::<_, Error>(count)
        }
    };
    assert_eq!(tokio::spawn(all).await.unwrap().unwrap(), 40);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_dropped_when_the_validity_ends() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let start = Instant::now();
    let lost = redlock.lock("r").run(async |_| sleep(5 * SECOND).await).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::Expired, .. }), "{lost}");
    // Timers are not exact, so it is told a little earlier; and never later.
    assert!(start.elapsed() >= VALIDITY - LEAD && start.elapsed() <= VALIDITY);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_polled_after_a_pause_that_outlasted_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    let lock = redlock.lock("r");
    let polls = Cell::new(0);
    let mut run = pin!(lock.run(async |_| {
        std::future::poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        })
        .await;
    }));
    assert!((&mut run).now_or_never().is_none());
    advance(VALIDITY).await;
    assert!(run.await.is_err());
    assert_eq!(polls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_never_run_without_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = nodes.redlock();
    nodes.occupy([0, 1], "r", 60 * SECOND).await;
    let retry = Retry::fixed(MS).attempts(2).unwrap();
    let run = redlock.lock("r").retry(retry).run(async |_| panic!("without the lock")).await;
    assert!(matches!(run, Err(Error::Contended(_))));
}
