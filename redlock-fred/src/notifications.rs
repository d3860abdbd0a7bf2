//! How a node tells those who wait, and waits itself: [`Notifications`] for [`FredNode`].

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use redlock_core::{Announced, NodeError, Notice, Notifications, Resource, Token};
use redlock_wire::Channel;
use tokio::time::timeout;

use crate::{config::Config, node::FredNode};

/// Told over the connection for commands, and heard on another one, which is made when somebody
/// begins to listen and left half a second after the last has gone. When nothing has been heard for
/// a second, the server is asked whether it is still there: if it hangs or cannot be reached, the
/// streams end after the [response timeout](FredNode::response_timeout).
#[async_trait]
impl Notifications for FredNode {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = self.link.config.origin.audience();
        let mut line = self.line(resource).await?;
        let voting = &self.link.config.voting;
        voting.release_and_notify(&mut line, resource, token, audience).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        redlock_wire::notify(&mut self.line(resource).await?, resource).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let subscription = self.link.listen(Channel::of(resource))?;
        let Config { label, connect_timeout, response_timeout, .. } = &*self.link.config;
        // Others may be before this one, who each may take that long.
        let patience = connect_timeout.saturating_add(*response_timeout);
        match timeout(patience, subscription.subscribed()).await {
            Ok(subscribed) => subscribed.map(|()| subscription.boxed()),
            Err(_) => Err(NodeError::timed_out(Arc::clone(label), patience)),
        }
    }
}
