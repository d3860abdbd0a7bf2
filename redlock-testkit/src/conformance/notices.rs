//! Who is told of what, by [`Notifications`](redlock_core::Notifications).

use std::sync::Arc;

use redlock_core::{Announced, LockNode, Notice, Token, Vote};

use super::{
    hearing::{Ear, Fence, able},
    stage::{Stage, Stop, ensure, refused, resource, token},
};

pub(super) async fn announcing_a_release_frees(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    let able = able(&stage.node)?;
    stage.take(&name, &mine).await?;
    refused(able.release_and_notify(&name, &theirs).await?.vote)?;
    stage.held(&name, &mine).await?;
    let vote = able.release_and_notify(&name, &mine).await?.vote;
    ensure!(vote == Vote::granted(), "the holder's release was answered with {vote:?}.");
    stage.free(&name).await?;
    let vote = able.release_and_notify(&name, &mine).await?.vote;
    ensure!(vote == Vote::not_held(), "a second release was answered with {vote:?}.");
    Ok(())
}

pub(super) async fn a_release_tells_who_has_subscribed(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let mut ear = Ear::on(&stage.node, &name).await?;
    for mine in [mine, token(b"\xff\0\r\n")] {
        release(stage, &mine).await?;
        of(ear.hears(stage).await?, &mine)?;
    }
    let mut fence = Fence::new(stage).await?;
    fence.hears_nothing(stage, &mut ear, "two releases, a third time,").await
}

pub(super) async fn a_notification_tells_and_changes_nothing(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let mut ear = Ear::on(&stage.node, &name).await?;
    able(&stage.node)?.notify(&name).await?;
    ear.hears(stage).await?;
    stage.take(&name, &mine).await?;
    able(&stage.node)?.notify(&name).await?;
    stage.held(&name, &mine).await?;
    Ok(())
}

pub(super) async fn a_refused_release_tells_nobody(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    let (mut ear, mut fence) = (Ear::on(&stage.node, &name).await?, Fence::new(stage).await?);
    let able = able(&stage.node)?;
    able.release_and_notify(&name, &mine).await?;
    fence.hears_nothing(stage, &mut ear, "the release of what is free").await?;
    stage.take(&name, &theirs).await?;
    able.release_and_notify(&name, &mine).await?;
    fence.hears_nothing(stage, &mut ear, "the release of another's lock").await
}

/// Failed attempts are cleaned up by it: if that told others, their attempts would fail too.
pub(super) async fn a_plain_release_tells_nobody(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let (mut ear, mut fence) = (Ear::on(&stage.node, &name).await?, Fence::new(stage).await?);
    stage.take(&name, &mine).await?;
    stage.node.release(&name, &mine).await?;
    fence.hears_nothing(stage, &mut ear, "a plain release").await?;
    stage.node.release(&name, &mine).await?;
    fence.hears_nothing(stage, &mut ear, "a plain release of what is free").await
}

pub(super) async fn notices_wake_only_their_own(stage: &Stage<'_>) -> Result<(), Stop> {
    let names = [
        "a", "A", "b", "ab", "a*", "a?", "[ab]", "a[b", "a\\", "*", "{x}", "x", "{}", "a{b", "a}b",
        "a{b}", "b}", " ", "a\r\nb", "a:b", "ключ", "é", "e\u{301}", "鍵 🔑",
    ];
    let mut fence = Fence::new(stage).await?;
    let mut ears = Vec::new();
    for name in names {
        ears.push(Ear::on(&stage.node, &resource(name)).await?);
    }
    for (told, name) in names.iter().enumerate() {
        able(&stage.node)?.notify(&resource(*name)).await?;
        fence.pass(stage).await?;
        for (index, ear) in ears.iter_mut().enumerate() {
            if index == told {
                ear.hears(stage).await?;
            }
            let heard = ear.heard();
            ensure!(heard.is_empty(), "{:?} heard {heard:?} of {name:?}.", names[index]);
        }
    }
    Ok(())
}

pub(super) async fn all_who_have_subscribed_hear(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let other = stage.subject.open().await;
    let mut ears = Vec::new();
    for node in [&stage.node, &stage.node, &other, &other] {
        ears.push(Ear::on(node, &name).await?);
    }
    release(stage, &mine).await?;
    for ear in &mut ears {
        of(ear.hears(stage).await?, &mine)?;
    }
    Ok(())
}

pub(super) async fn listeners_are_counted(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let nobody = release(stage, &mine).await?.listeners;
    ensure!(nobody == 0, "{nobody} listen to what nobody has subscribed to.");
    // One each: several of one node may count as one, for they share a connection.
    let nodes = [
        Arc::<dyn LockNode>::clone(&stage.node),
        stage.subject.open().await,
        stage.subject.open().await,
    ];
    let mut ears = Vec::new();
    for node in &nodes {
        ears.push(Ear::on(node, &name).await?);
    }
    let told = release(stage, &mine).await?.listeners;
    let mut read = Vec::new();
    for ear in &mut ears {
        read.push(ear.hears(stage).await?.listeners);
    }
    ensure!(told == 0 || told == 3, "a release told that {told} of 3 listen.");
    let plausible = read.iter().all(|listeners| [1, 3].contains(listeners));
    ensure!(plausible, "three who listen were told that they are {read:?}.");
    match told {
        0 => Err(Stop::NotApplicable("the node does not tell how many listen".into())),
        _ => Ok(()),
    }
}

/// Takes the resource `r` and gives it up.
async fn release(stage: &Stage<'_>, mine: &Token) -> Result<Announced, Stop> {
    let name = resource("r");
    stage.take(&name, mine).await?;
    let announced = able(&stage.node)?.release_and_notify(&name, mine).await?;
    let vote = announced.vote;
    ensure!(vote == Vote::granted(), "the holder's release was answered with {vote:?}.");
    Ok(announced)
}

/// The notice is of this holder, if it says of whom.
fn of(notice: Notice, holder: &Token) -> Result<(), Stop> {
    let known = notice.holder.is_none_or(|found| found == holder.fingerprint());
    ensure!(known, "the notice names {:?}, who was not the holder.", notice.holder);
    Ok(())
}
