//! What [`LockNode::acquire`](redlock_core::LockNode::acquire) owes.

use std::time::Duration;

use redlock_core::Vote;

use super::stage::{
    ATTEMPTS, MINUTE, Stage, Stop, ensure, millis, plausible, refused, resource, token, untold,
};

pub(super) async fn a_free_resource_is_granted(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    stage.held(&name, &mine).await?;
    Ok(())
}

pub(super) async fn acquiring_again_is_granted(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    for _ in 0..2 {
        let vote = stage.node.acquire(&name, &mine, *MINUTE).await?;
        ensure!(vote == Vote::granted(), "the holder's own token was answered with {vote:?}.");
    }
    stage.held(&name, &mine).await?;
    Ok(())
}

/// Neither later, by a longer ttl, nor sooner, by a shorter one.
pub(super) async fn the_first_expiry_stands(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, start) = (resource("shorter"), token("mine"), stage.now());
    stage.take(&name, &mine).await?;
    stage.node.acquire(&name, &mine, millis(1)).await?;
    stage.sleep(Duration::from_millis(20)).await;
    if let Some(left) = stage.held(&name, &mine).await? {
        let enough = MINUTE.get() / 2;
        ensure!(left > enough || stage.now().since(start) > enough, "{left:?} are left.");
    }

    let life = millis(300);
    for attempt in 0..ATTEMPTS {
        let (name, start) = (resource(format!("longer {attempt}")), stage.now());
        stage.take_for(&name, &mine, life).await?;
        stage.node.acquire(&name, &mine, millis(3_600_000)).await?;
        // On a busy machine it may have ended before, and then this was another grant.
        if stage.now().since(start) < life.get() {
            stage.wait_until_free(&name).await?;
            return Ok(());
        }
    }
    Err(Stop::Broken("the node is too slow to be asked twice in time.".into()))
}

pub(super) async fn another_token_is_refused(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, theirs) = (resource("r"), token("theirs"));
    stage.take(&name, &theirs).await?;
    // Tokens that are nearly the same are other tokens.
    for other in ["mine", "their", "theirs!", "THEIRS", "theirs\0"] {
        refused(stage.node.acquire(&name, &token(other), *MINUTE).await?)?;
        stage.held(&name, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn a_refusal_tells_how_much_longer(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, start) = (resource("r"), stage.now());
    stage.take(&name, &token("theirs")).await?;
    for pause in [0, 10] {
        stage.sleep(Duration::from_millis(pause)).await;
        let vote = stage.node.acquire(&name, &token("mine"), millis(1)).await?;
        let left = refused(vote)?.ok_or_else(untold)?;
        plausible(left, *MINUTE, stage.now().since(start))?;
        ensure!(
            left <= MINUTE.get() - Duration::from_millis(pause) + Duration::from_millis(3),
            "{left:?} are left of a minute after {pause} ms."
        );
    }
    Ok(())
}

pub(super) async fn an_ended_lock_can_be_taken(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take_for(&name, &token("theirs"), millis(30)).await?;
    stage.wait_until_free(&name).await?;
    stage.take(&name, &mine).await?;
    stage.held(&name, &mine).await?;
    Ok(())
}
