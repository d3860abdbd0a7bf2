//! How long a lock is there (requirement R16).

use std::time::Duration;

use redlock_core::{Ttl, Vote};

use super::stage::{Stage, Stop, ensure, millis, plausible, resource, token, ttl};

pub(super) async fn a_lock_is_never_gone_before_its_ttl(stage: &Stage<'_>) -> Result<(), Stop> {
    let mine = token("mine");
    for nanos in [1_000_000, 1_000_001, 20_000_000, 60_500_001] {
        let (name, asked) = (resource(format!("{nanos}")), ttl(Duration::from_nanos(nanos)));
        // Before the request: the lock is made later, and must not be gone before this is over.
        let start = stage.now();
        stage.take_for(&name, &mine, asked).await?;
        let lived = stage.wait_until_free(&name).await?.since(start);
        ensure!(lived >= asked.get(), "a lock for {:?} was gone after {lived:?}.", asked.get());
    }
    // What is left of a long one shows what a short one has no time to show.
    let (name, asked) = (resource("long"), millis(3_600_000));
    let start = stage.now();
    stage.take_for(&name, &mine, asked).await?;
    match stage.held(&name, &mine).await? {
        Some(left) => plausible(left, asked, stage.now().since(start)),
        None => Ok(()),
    }
}

pub(super) async fn a_lock_is_gone_soon_after_its_ttl(stage: &Stage<'_>) -> Result<(), Stop> {
    for life in [1, 40] {
        let (name, mine) = (resource(format!("{life}")), token("mine"));
        stage.take_for(&name, &mine, millis(life)).await?;
        stage.wait_until_free(&name).await?;
    }
    Ok(())
}

pub(super) async fn the_longest_ttl_is_kept_whole(stage: &Stage<'_>) -> Result<(), Stop> {
    let mine = token("mine");
    for name in ["acquired", "extended"].map(resource) {
        let start = stage.now();
        if name.as_str() == "acquired" {
            stage.take_for(&name, &mine, Ttl::MAX).await?;
        } else {
            stage.take(&name, &mine).await?;
            let vote = stage.node.extend(&name, &mine, Ttl::MAX).await?;
            ensure!(vote == Vote::granted(), "an extension to it was answered with {vote:?}.");
        }
        stage.sleep(Duration::from_millis(5)).await;
        if let Some(left) = stage.held(&name, &mine).await? {
            plausible(left, Ttl::MAX, stage.now().since(start))?;
        }
    }
    Ok(())
}
