//! How a node tells those who wait, and waits itself: [`Notifications`] for [`FredNode`].

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use redlock_core::{Announced, NodeError, Notice, Notifications, Resource, Token};
use redlock_wire::{Audience, Channel};

use crate::node::FredNode;

/// Told over the connection for commands, and heard on one of its own, which is made when somebody
/// begins to listen and left a second after nobody does. Without a word for a second, its server is
/// asked whether it is still there: the streams of one that hangs, or that nobody can reach, end
/// after that and the [response timeout](FredNode::response_timeout).
#[async_trait]
impl Notifications for FredNode {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = match self.link.config.origin.is_cluster() {
            true => Audience::Cluster,
            false => Audience::Server,
        };
        let mut line = self.line(resource).await?;
        redlock_wire::release_and_notify(&mut line, resource, token, audience).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        redlock_wire::notify(&mut self.line(resource).await?, resource).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let subscription = self.link.listen(Channel::of(resource))?;
        subscription.subscribed().await?;
        Ok(subscription.boxed())
    }
}
