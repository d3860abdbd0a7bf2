//! Listening to the notices of a node.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::BoxStream,
};
use redlock_core::{LockNode, Notice, Notifications, Resource};

use super::stage::{Stage, Stop, ensure, resource};

/// Somebody who has subscribed to a resource.
pub(super) struct Ear(BoxStream<'static, Notice>);

/// What a node that does not tell of releases cannot be asked.
pub(super) fn able(node: &Arc<dyn LockNode>) -> Result<&dyn Notifications, Stop> {
    let untold = || Stop::NotApplicable("the node does not tell of releases".into());
    node.notifications().ok_or_else(untold)
}

impl Ear {
    pub(super) async fn on(node: &Arc<dyn LockNode>, resource: &Resource) -> Result<Self, Stop> {
        Ok(Self(able(node)?.subscribe(resource).await?))
    }

    /// The next notice; breaks the rule if none comes.
    pub(super) async fn hears(&mut self, stage: &Stage<'_>) -> Result<Notice, Stop> {
        let next = self.next(stage).await?;
        next.ok_or_else(|| Stop::Broken("the stream has ended.".into()))
    }

    /// Breaks the rule if the stream does not end; notices may come before that.
    pub(super) async fn hears_the_end(&mut self, stage: &Stage<'_>) -> Result<(), Stop> {
        while self.next(stage).await?.is_some() {}
        Ok(())
    }

    /// What has come by now.
    pub(super) fn heard(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.0.next().now_or_never().flatten()).collect()
    }

    async fn next(&mut self, stage: &Stage<'_>) -> Result<Option<Notice>, Stop> {
        match future::select(self.0.next(), Box::pin(stage.sleep(SILENCE))).await {
            Either::Left((next, _)) => Ok(next),
            Either::Right(_) => Err(Stop::Broken(format!("nothing came in {SILENCE:?}."))),
        }
    }
}

/// Shows what has come without waiting for what has not: when a notice comes that was sent later
/// from the same node, those before it have come.
pub(super) struct Fence {
    name: Resource,
    ear: Ear,
}

impl Fence {
    pub(super) async fn new(stage: &Stage<'_>) -> Result<Self, Stop> {
        let name = resource("fence");
        let ear = Ear::on(&stage.node, &name).await?;
        Ok(Self { name, ear })
    }

    /// Everything that the stage's node has been told has come.
    pub(super) async fn pass(&mut self, stage: &Stage<'_>) -> Result<(), Stop> {
        able(&stage.node)?.notify(&self.name).await?;
        self.ear.hears(stage).await?;
        Ok(())
    }

    /// Breaks the rule if this ear has heard something.
    pub(super) async fn hears_nothing(
        &mut self,
        stage: &Stage<'_>,
        ear: &mut Ear,
        why: &str,
    ) -> Result<(), Stop> {
        self.pass(stage).await?;
        let heard = ear.heard();
        ensure!(heard.is_empty(), "{why} told {heard:?}.");
        Ok(())
    }
}

/// Far more than a notice takes that comes at all.
const SILENCE: Duration = Duration::from_secs(20);
