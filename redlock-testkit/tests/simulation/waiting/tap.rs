//! A node as one process sees it, with somebody who listens in.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use redlock_core::{
    Accord, Announced, Fencing, Identity, Inspection, LockNode, NodeError, Notice, Notifications,
    Resource, Sets, Survey, Token, Ttl, Vote, Witness,
};
use redlock_testkit::SimLink;

use super::vigil::Vigil;

/// Notes who asks for what, and who is told of what.
pub(super) struct Tap {
    pub(super) link: SimLink,
    pub(super) client: usize,
    /// Every attempt asks all nodes in one moment, so that one of them is listened to for that.
    pub(super) is_first: bool,
    pub(super) vigil: Arc<Vigil>,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl LockNode for Tap {
    fn label(&self) -> &str {
        self.link.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.link.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.link.notifications().map(|_| self as &dyn Notifications)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        None
    }

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        None
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.link.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        if self.is_first {
            self.vigil.asks(self.client, resource);
        }
        self.link.acquire(resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.link.extend(resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.link.release(resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        self.link.inspect(resource).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Notifications for Tap {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        self.vigil.tells_of(self.client, resource, token);
        let Some(node) = self.link.notifications() else { unreachable!("it is never mute") };
        node.release_and_notify(resource, token).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        if self.is_first {
            self.vigil.tells_all(self.client, resource);
        }
        let Some(node) = self.link.notifications() else { unreachable!("it is never mute") };
        node.notify(resource).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let Some(node) = self.link.notifications() else { unreachable!("it is never mute") };
        node.subscribe(resource).await
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.link.fmt(f)
    }
}
