//! What nodes are called, and what tells their stores apart.

use std::{sync::Arc, time::Duration};

use redlock_core::{LockNode, Vote};

use super::{
    failure::some_errors,
    stage::{MINUTE, Stage, Stop, ensure, refused, resource, token},
};

pub(super) async fn no_credentials_are_shown(stage: &Stage<'_>) -> Result<(), Stop> {
    let secrets = stage.subject.secrets()?;
    let mut shown = vec![stage.node.label().to_owned(), format!("{:?}", stage.node)];
    stage.take(&resource("taken"), &token("mine")).await?;
    if let Ok(errors) = some_errors(stage).await {
        shown.extend(errors.iter().flat_map(|error| [error.to_string(), format!("{error:?}")]));
    }
    shown.push(format!("{:?}", stage.node));
    for secret in secrets {
        ensure!(!shown.iter().any(|text| text.contains(&secret)), "a secret is shown.");
    }
    Ok(())
}

pub(super) async fn the_label_is_stable(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let label = stage.node.label().to_owned();
    ensure!(!label.is_empty(), "the label is empty.");
    stage.take(&name, &mine).await?;
    stage.node.release(&name, &mine).await?;
    let later = stage.node.label();
    ensure!(label == later, "{label} has become {later}.");
    // Lacking that, it has been asked as far as it can be.
    if stage.subject.take_away().await.is_ok() {
        let failed = stage.node.acquire(&name, &mine, *MINUTE).await.is_err();
        let later = stage.node.label();
        ensure!(label == later, "{label} has become {later}, after a failure ({failed}).");
    }
    Ok(())
}

pub(super) async fn all_nodes_of_a_store_see_the_same(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    let other = stage.subject.open().await;
    stage.take(&name, &mine).await?;
    refused(other.acquire(&name, &theirs, *MINUTE).await?)?;
    let again = other.acquire(&name, &mine, *MINUTE).await?;
    let extended = other.extend(&name, &mine, *MINUTE).await?;
    let released = other.release(&name, &mine).await?;
    for vote in [again, extended, released] {
        ensure!(vote == Vote::granted(), "the holder, by another node, got {vote:?}.");
    }
    stage.free(&name).await
}

pub(super) async fn one_store_has_one_identity(stage: &Stage<'_>) -> Result<(), Stop> {
    let other = stage.subject.open().await;
    for node in [&stage.node, &other] {
        introduce(node).await?;
    }
    let (one, other) = (stage.node.identity(), other.identity());
    if one.is_none() && other.is_none() {
        return Err(Stop::NotApplicable("the node does not know its store's identity".into()));
    }
    ensure!(one == other, "two nodes of one store know it as {one:?} and {other:?}.");
    introduce(&stage.node).await?;
    stage.sleep(Duration::from_millis(5)).await;
    ensure!(stage.node.identity() == one, "the identity has changed.");
    Ok(())
}

pub(super) async fn two_stores_have_two_identities(stage: &Stage<'_>) -> Result<(), Stop> {
    let other = stage.subject.open_another_store().await?;
    for node in [&stage.node, &other] {
        introduce(node).await?;
    }
    let (Some(one), Some(other)) = (stage.node.identity(), other.identity()) else {
        return Err(Stop::NotApplicable("the node does not know its store's identity".into()));
    };
    ensure!(one != other, "two stores have the identity {one:?}.");
    Ok(())
}

/// A node may learn who it is talking to from its first call.
async fn introduce(node: &Arc<dyn LockNode>) -> Result<(), Stop> {
    let (name, mine) = (resource("who is there"), token("mine"));
    node.acquire(&name, &mine, *MINUTE).await?;
    node.release(&name, &mine).await?;
    Ok(())
}
