//! What a node does when it cannot answer.

use std::{sync::Arc, time::Duration};

use redlock_core::{LockNode, NodeError, Resource, Token, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, resource, token};

pub(super) async fn a_foreign_key_is_never_touched(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    stage.subject.put_foreign(&name).await?;
    let before = stage.subject.read_foreign(&name).await?;
    errors(&stage.node, &name, &token("mine")).await;
    let after = stage.subject.read_foreign(&name).await?;
    ensure!(before == after, "what was there has been changed.");
    Ok(())
}

pub(super) async fn a_foreign_key_is_a_failure(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    stage.subject.put_foreign(&name).await?;
    let calls = errors(&stage.node, &name, &token("mine")).await;
    all_fail(calls)?;
    // Only there: the node goes on for others.
    stage.take(&resource("other"), &token("mine")).await
}

pub(super) async fn a_store_that_is_away_is_a_failure(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    let new = stage.subject.open().await;
    stage.subject.take_away().await?;
    for node in [&stage.node, &new] {
        all_fail(errors(node, &name, &mine).await)?;
        all_fail(errors(node, &resource("free"), &mine).await)?;
    }
    Ok(())
}

pub(super) async fn failures_name_the_node(stage: &Stage<'_>) -> Result<(), Stop> {
    for error in some_errors(stage).await? {
        let label = stage.node.label();
        ensure!(error.label() == label, "a failure of {label} is said to be {}'s.", error.label());
        ensure!(error.to_string().starts_with(label), "a failure of {label} reads: {error}.");
    }
    Ok(())
}

pub(super) async fn a_store_may_forget_what_was_prepared(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let name = resource("r");
    stage.take(&name, &mine).await?;
    stage.node.release(&name, &mine).await?;
    stage.subject.forget_prepared().await?;
    stage.take(&name, &mine).await?;
    stage.subject.forget_prepared().await?;
    let refused = stage.node.acquire(&name, &theirs, *MINUTE).await?;
    ensure!(matches!(refused, Vote::Refused(_)), "another token was answered with {refused:?}.");
    stage.subject.forget_prepared().await?;
    let extended = stage.node.extend(&name, &mine, *MINUTE).await?;
    stage.subject.forget_prepared().await?;
    stage.held(&name, &mine).await?;
    stage.subject.forget_prepared().await?;
    let released = stage.node.release(&name, &mine).await?;
    for vote in [extended, released] {
        ensure!(vote == Vote::granted(), "the holder was answered with {vote:?}.");
    }
    Ok(())
}

/// The calls that notice may fail; then the node votes again.
pub(super) async fn a_cut_connection_is_made_again(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    stage.subject.cut_connections().await?;
    let end = stage.now().after(RETURN);
    loop {
        match stage.node.inspect(&name).await {
            Ok(_) => break,
            Err(error) => ensure!(stage.now() < end, "{RETURN:?} later: {error}."),
        }
        stage.sleep(Duration::from_millis(10)).await;
    }
    stage.held(&name, &mine).await?;
    let vote = stage.node.release(&name, &mine).await?;
    ensure!(vote == Vote::granted(), "the holder's release was answered with {vote:?}.");
    Ok(())
}

/// Failures of the stage's node, by whatever the subject can do to its store.
pub(super) async fn some_errors(stage: &Stage<'_>) -> Result<Vec<NodeError>, Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let foreign = stage.subject.put_foreign(&name).await;
    let mut failures: Vec<_> = Vec::new();
    if foreign.is_ok() {
        failures.extend(errors(&stage.node, &name, &mine).await);
    }
    match (stage.subject.take_away().await, foreign) {
        (Ok(()), _) => failures.extend(errors(&stage.node, &resource("away"), &mine).await),
        (Err(_), Ok(())) => {}
        (Err(lacking), Err(_)) => return Err(lacking.into()),
    }
    Ok(failures.into_iter().flatten().collect())
}

/// The failures of all four calls, if they are failures.
async fn errors(node: &Arc<dyn LockNode>, name: &Resource, mine: &Token) -> [Option<NodeError>; 4] {
    [
        node.acquire(name, mine, *MINUTE).await.err(),
        node.extend(name, mine, *MINUTE).await.err(),
        node.release(name, mine).await.err(),
        node.inspect(name).await.err(),
    ]
}

fn all_fail(calls: [Option<NodeError>; 4]) -> Result<(), Stop> {
    for (call, error) in ["acquire", "extend", "release", "inspect"].iter().zip(calls) {
        ensure!(error.is_some(), "{call} has answered.");
    }
    Ok(())
}

/// Within what a node must vote again after its connection was cut: adapters try harder, and have
/// tests that say so.
const RETURN: Duration = Duration::from_secs(20);
