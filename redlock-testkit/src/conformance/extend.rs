//! What [`LockNode::extend`](redlock_core::LockNode::extend) owes (requirement R17).

use std::time::Duration;

use redlock_core::Vote;

use super::stage::{ATTEMPTS, MINUTE, Stage, Stop, ensure, millis, refused, resource, token};

pub(super) async fn extending_lengthens(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, life, asked) = (token("mine"), millis(500), millis(800));
    for attempt in 0..ATTEMPTS {
        let (name, start) = (resource(format!("{attempt}")), stage.now());
        stage.take_for(&name, &mine, life).await?;
        let extended = stage.now();
        let vote = stage.node.extend(&name, &mine, asked).await?;
        if vote == Vote::not_held() && stage.now().since(start) >= life.get() {
            continue; // The machine was too busy to do it in time.
        }
        ensure!(vote == Vote::granted(), "the holder's extension was answered with {vote:?}.");
        let lived = stage.wait_until_free(&name).await?.since(extended);
        ensure!(lived >= asked.get(), "extended to {:?}, gone after {lived:?}.", asked.get());
        return Ok(());
    }
    Err(Stop::Broken("the node is too slow to extend a lock in time.".into()))
}

pub(super) async fn extending_never_shortens(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, start) = (resource("r"), token("mine"), stage.now());
    stage.take(&name, &mine).await?;
    for less in [1_000, 1] {
        let vote = stage.node.extend(&name, &mine, millis(less)).await?;
        ensure!(vote == Vote::granted(), "an extension for less was answered with {vote:?}.");
        stage.sleep(Duration::from_millis(20)).await;
        if let Some(left) = stage.held(&name, &mine).await? {
            let enough = MINUTE.get() / 2;
            ensure!(left > enough || stage.now().since(start) > enough, "{left:?} are left.");
        }
    }
    Ok(())
}

pub(super) async fn extending_never_creates(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let vote = stage.node.extend(&name, &mine, *MINUTE).await?;
    ensure!(vote == Vote::not_held(), "extending what is free was answered with {vote:?}.");
    stage.free(&name).await
}

pub(super) async fn extending_anothers_lock_is_refused(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs, life) = (token("mine"), token("theirs"), millis(500));
    let name = resource("for a minute");
    stage.take(&name, &theirs).await?;
    refused(stage.node.extend(&name, &mine, millis(3_600_000)).await?)?;
    stage.held(&name, &theirs).await?;

    let name = resource("for a moment");
    stage.take_for(&name, &theirs, life).await?;
    stage.node.extend(&name, &mine, millis(3_600_000)).await?;
    stage.wait_until_free(&name).await?;
    Ok(())
}

pub(super) async fn an_ended_lock_is_not_extended(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take_for(&name, &mine, millis(5)).await?;
    stage.wait_until_free(&name).await?;
    let vote = stage.node.extend(&name, &mine, *MINUTE).await?;
    ensure!(vote == Vote::not_held(), "extending an ended lock was answered with {vote:?}.");
    stage.free(&name).await
}

pub(super) async fn extending_gives_no_end_to_what_has_none(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.subject.put_endless(&name, &mine).await?;
    let vote = stage.node.extend(&name, &mine, millis(5)).await?;
    ensure!(vote == Vote::granted(), "its extension was answered with {vote:?}.");
    stage.sleep(Duration::from_millis(30)).await;
    let left = stage.held(&name, &mine).await?;
    ensure!(left.is_none(), "it is said to end in {left:?}.");
    Ok(())
}
