//! What [`LockNode::acquire`](redlock_core::LockNode::acquire) owes.

use std::time::Duration;

use redlock_core::Vote;

use super::stage::{
    MINUTE, Stage, Stop, ensure, millis, plausible, refused, resource, token, untold,
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
    let (name, mine) = (resource("longer"), token("mine"));
    stage.take_for(&name, &mine, millis(50)).await?;
    stage.node.acquire(&name, &mine, millis(3_600_000)).await?;
    stage.wait_until_free(&name).await?;

    let name = resource("shorter");
    stage.take(&name, &mine).await?;
    stage.node.acquire(&name, &mine, millis(1)).await?;
    stage.sleep(Duration::from_millis(20)).await;
    stage.held(&name, &mine).await?;
    Ok(())
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
