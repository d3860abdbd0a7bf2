use std::time::Duration;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::Contest;
use crate::{Failure, client::LockClient, clock::Instant, hold::hold};

/// One task's wait for the lock, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) asked: Instant,
    /// When the acquire returned and the release was called; `None` if the contest ended first.
    pub(crate) held: Option<(Instant, Instant)>,
}

/// Every task acquires, holds and releases, again and again, until the contest ends.
pub(super) async fn contend(
    client: &dyn LockClient,
    contest: &Contest,
) -> Result<Vec<Turn>, Failure> {
    sleep(contest.from.since(Instant::now())).await;
    let tasks = (0..contest.tasks).map(|_| one(client, contest));
    Ok(try_join_all(tasks).await?.concat())
}

async fn one(client: &dyn LockClient, contest: &Contest) -> Result<Vec<Turn>, Failure> {
    let mut turns = Vec::new();
    loop {
        let asked = Instant::now();
        let left = contest.until.since(asked);
        if left == Duration::ZERO {
            return Ok(turns);
        }
        // Dropped at the end, an acquire cleans up behind itself.
        let Ok(acquired) = timeout(left, client.acquire(&contest.resource)).await else {
            turns.push(Turn { asked, held: None });
            return Ok(turns);
        };
        let lock = acquired?;
        let from = Instant::now();
        hold(contest.hold).await;
        turns.push(Turn { asked, held: Some((from, Instant::now())) });
        lock.release().await;
    }
}
