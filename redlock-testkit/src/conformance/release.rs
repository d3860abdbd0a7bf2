//! What [`LockNode::release`](redlock_core::LockNode::release) owes.

use redlock_core::Vote;

use super::stage::{Stage, Stop, ensure, millis, refused, resource, token};

pub(super) async fn releasing_frees(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    let vote = stage.node.release(&name, &mine).await?;
    ensure!(vote == Vote::granted(), "the holder's release was answered with {vote:?}.");
    stage.free(&name).await?;
    stage.take(&name, &token("theirs")).await
}

pub(super) async fn releasing_anothers_lock_is_refused(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, theirs) = (resource("r"), token("theirs"));
    stage.take(&name, &theirs).await?;
    for other in ["mine", "their", "theirs!", "THEIRS", "theirs\0"] {
        refused(stage.node.release(&name, &token(other)).await?)?;
        stage.held(&name, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn releasing_what_is_not_held_is_a_refusal(stage: &Stage<'_>) -> Result<(), Stop> {
    let mine = token("mine");
    let vote = stage.node.release(&resource("never taken"), &mine).await?;
    ensure!(vote == Vote::not_held(), "releasing what is free was answered with {vote:?}.");

    let name = resource("ended");
    stage.take_for(&name, &mine, millis(5)).await?;
    stage.wait_until_free(&name).await?;
    let vote = stage.node.release(&name, &mine).await?;
    ensure!(vote == Vote::not_held(), "releasing an ended lock was answered with {vote:?}.");
    Ok(())
}

pub(super) async fn a_second_release_is_refused(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    stage.node.release(&name, &mine).await?;
    let vote = stage.node.release(&name, &mine).await?;
    ensure!(vote == Vote::not_held(), "a second release was answered with {vote:?}.");
    Ok(())
}
