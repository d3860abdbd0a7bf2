//! How subscriptions begin and end, by [`Notifications`](redlock_core::Notifications).

use std::time::Duration;

use redlock_core::{Resource, Vote};

use super::{
    hearing::{Ear, Fence, able},
    stage::{Stage, Stop, ensure, poll_at_most, resource, token},
};

/// What is told by another node, right after the subscription was acknowledged, is heard.
pub(super) async fn subscribed_means_nothing_is_missed(stage: &Stage<'_>) -> Result<(), Stop> {
    let other = stage.subject.open().await;
    let teller = able(&other)?;
    for round in 0..20 {
        let name = resource(format!("{round}"));
        let mut ear = Ear::on(&stage.node, &name).await?;
        teller.notify(&name).await?;
        ear.hears(stage).await?;
    }
    Ok(())
}

pub(super) async fn dropping_a_stream_ends_its_subscription(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    let gone = Ear::on(&stage.node, &name).await?;
    drop(gone);
    wait_until_nobody_listens(stage, &name).await?;
    // And can be had again.
    let mut ear = Ear::on(&stage.node, &name).await?;
    able(&stage.node)?.notify(&name).await?;
    ear.hears(stage).await?;
    Ok(())
}

pub(super) async fn dropping_a_stream_leaves_the_others(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, other) = (resource("r"), resource("other"));
    let (first, mut second) =
        (Ear::on(&stage.node, &name).await?, Ear::on(&stage.node, &name).await?);
    let mut elsewhere = Ear::on(&stage.node, &other).await?;
    drop(first);
    for _ in 0..2 {
        able(&stage.node)?.notify(&name).await?;
        second.hears(stage).await?;
        able(&stage.node)?.notify(&other).await?;
        elsewhere.hears(stage).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_subscribe_leaves_nobody_subscribed(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    for polls in 0..MOST {
        let name = resource(format!("{polls}"));
        let subscribe = able(&stage.node)?.subscribe(&name);
        let finished = poll_at_most(subscribe, polls).await.transpose()?.is_some();
        wait_until_nobody_listens(stage, &name).await?;
        if finished {
            return Ok(());
        }
    }
    Err(Stop::Broken(format!("subscribe is not finished after {MOST} polls.")))
}

pub(super) async fn who_falls_behind_loses_notices_and_keeps_one(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let (mut slow, mut fence) = (Ear::on(&stage.node, &name).await?, Fence::new(stage).await?);
    for _ in 0..MANY {
        able(&stage.node)?.notify(&name).await?;
    }
    stage.take(&name, &mine).await?;
    fence.pass(stage).await?;
    let vote = stage.node.release(&name, &mine).await?;
    ensure!(vote == Vote::granted(), "beside a slow reader a release got {vote:?}.");
    let left = slow.heard().len();
    ensure!(left > 0, "of {MANY} notices none was left.");
    ensure!(left < MANY, "all {MANY} notices were kept.");
    able(&stage.node)?.notify(&name).await?;
    slow.hears(stage).await?;
    Ok(())
}

/// A waiter who is not told that nothing will come waits for it.
pub(super) async fn streams_end_with_their_connection(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    let mut ear = Ear::on(&stage.node, &name).await?;
    if stage.subject.cut_connections().await.is_err() {
        stage.subject.take_away().await?;
        return ear.hears_the_end(stage).await;
    }
    ear.hears_the_end(stage).await?;
    let end = stage.now().after(RETURN);
    let mut again = loop {
        match able(&stage.node)?.subscribe(&name).await {
            Ok(_) => break Ear::on(&stage.node, &name).await?,
            Err(error) => ensure!(stage.now() < end, "{RETURN:?} later: {error}."),
        }
        stage.sleep(Duration::from_millis(10)).await;
    };
    loop {
        match able(&stage.node)?.notify(&name).await {
            Ok(()) => break,
            Err(error) => ensure!(stage.now() < end, "{RETURN:?} later: {error}."),
        }
        stage.sleep(Duration::from_millis(10)).await;
    }
    again.hears(stage).await?;
    Ok(())
}

pub(super) async fn a_store_that_is_away_cannot_be_subscribed_to(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    able(&stage.node)?.notify(&name).await?;
    stage.subject.take_away().await?;
    let label = stage.node.label();
    let calls = [
        ("subscribe", able(&stage.node)?.subscribe(&name).await.err()),
        ("notify", able(&stage.node)?.notify(&name).await.err()),
        ("release_and_notify", able(&stage.node)?.release_and_notify(&name, &mine).await.err()),
    ];
    for (call, error) in calls {
        let Some(error) = error else {
            return Err(Stop::Broken(format!("{call} has answered.")));
        };
        ensure!(error.label() == label, "a failure of {label} is said to be {}'s.", error.label());
    }
    Ok(())
}

/// Waits until a release finds that nobody listens: a node hears of it when it hears of it. One
/// that does not count says so at once.
async fn wait_until_nobody_listens(stage: &Stage<'_>, name: &Resource) -> Result<(), Stop> {
    let (mine, end) = (token("mine"), stage.now().after(RETURN));
    loop {
        stage.take(name, &mine).await?;
        let listeners = able(&stage.node)?.release_and_notify(name, &mine).await?.listeners;
        if listeners == 0 {
            return Ok(());
        }
        ensure!(stage.now() < end, "{listeners} still listen {RETURN:?} later.");
        stage.sleep(Duration::from_millis(1)).await;
    }
}

const MOST: u32 = 1_000;

/// More notices than anybody keeps for somebody who does not read them.
const MANY: usize = 4_096;

/// Within what a node must have heard of an end, and work again after one.
const RETURN: Duration = Duration::from_secs(20);
