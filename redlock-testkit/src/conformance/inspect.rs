//! What [`LockNode::inspect`](redlock_core::LockNode::inspect) owes.

use std::time::Duration;

use super::stage::{MINUTE, Stage, Stop, ensure, millis, plausible, resource, token, untold};

pub(super) async fn inspecting_tells_who_has_it(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.free(&name).await?;
    stage.take(&name, &mine).await?;
    stage.held(&name, &mine).await?;
    stage.node.release(&name, &mine).await?;
    stage.free(&name).await
}

pub(super) async fn inspecting_tells_how_much_longer(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, start) = (resource("r"), token("mine"), stage.now());
    stage.take(&name, &mine).await?;
    let first = stage.held(&name, &mine).await?.ok_or_else(untold)?;
    plausible(first, *MINUTE, stage.now().since(start))?;
    stage.sleep(Duration::from_millis(20)).await;
    let second = stage.held(&name, &mine).await?.ok_or_else(untold)?;
    plausible(second, *MINUTE, stage.now().since(start))?;
    ensure!(second < first, "20 ms later {second:?} are left, after {first:?}.");
    Ok(())
}

pub(super) async fn inspecting_changes_nothing(stage: &Stage<'_>) -> Result<(), Stop> {
    let (free, name, mine) = (resource("free"), resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    for _ in 0..3 {
        stage.free(&free).await?;
        stage.held(&name, &mine).await?;
    }
    stage.take(&free, &mine).await?;
    // It is looked at all the while, and ends all the same.
    let watched = resource("watched");
    stage.take_for(&watched, &mine, millis(300)).await?;
    stage.wait_until_free(&watched).await?;
    Ok(())
}
