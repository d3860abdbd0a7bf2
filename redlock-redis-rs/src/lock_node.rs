//! What a node does when it is asked: [`LockNode`] for [`RedisNode`].

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{future, stream::BoxStream};
use redlock_core::{
    Accord, Announced, ClockStep, Cursor, Fence, Fencing, Identity, Inspection, LockNode,
    NodeError, Notice, Notifications, Page, Resource, ResourceSet, Sets, Survey, Token, Ttl, Vote,
    Witness,
};
use redlock_wire::{Both, Command, Exchange, Lasting, Reply, Trouble};

use crate::{
    link::{Link, Session},
    node::RedisNode,
    outbox::Pace,
    packing::{packed, reply},
};

#[async_trait]
impl LockNode for RedisNode {
    fn label(&self) -> &str {
        &self.link.config.label
    }

    fn identity(&self) -> Option<Identity> {
        self.link.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.link.subscriptions.as_ref().map(|_| self as &dyn Notifications)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.link.voting.takes_sets().then_some(self as _)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        Some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        Some(self)
    }

    fn accord(&self) -> Option<&dyn Accord> {
        Some(self)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.link.voting.acquire(&mut self.line().await?, resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.link.voting.extend(&mut self.line().await?, resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.link.voting.release(&mut self.line().await?, resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        redlock_wire::inspect(&mut self.line().await?, resource).await
    }
}

#[async_trait]
impl Notifications for RedisNode {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = self.link.config.audience();
        let mut line = self.line().await?;
        self.link.voting.release_and_notify(&mut line, resource, token, audience).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        redlock_wire::notify(&mut self.line().await?, resource).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        match &self.link.subscriptions {
            Some(subscriptions) => subscriptions.subscribe(resource).await,
            // Not asked: such a node tells nobody that it has notifications.
            None => Err(crate::error::deaf(&self.link.config.label)),
        }
    }
}

#[async_trait]
impl Accord for RedisNode {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        redlock_wire::agree(&mut self.line().await?, name, terms).await
    }
}

impl Witness for RedisNode {
    fn remembers(&self) -> Option<Duration> {
        self.link.voting.remembers()
    }

    fn clock_steps(&self, heard: u64) -> Vec<ClockStep> {
        self.link.voting.clock_steps(heard)
    }
}

#[async_trait]
impl Fencing for RedisNode {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line().await?;
        self.link.voting.acquire_counted(&mut line, resource, token, ttl, hint).await
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        self.link.voting.raise(&mut self.line().await?, resource, token, fence).await
    }
}

#[async_trait]
impl Sets for RedisNode {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line().await?;
        self.link.voting.acquire_all(&mut line, resources, token, ttl).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line().await?;
        self.link.voting.extend_all(&mut line, resources, token, ttl).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        let mut line = self.line().await?;
        Ok(self.link.voting.release_all(&mut line, resources, token, None).await?.vote)
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = Some(self.link.config.audience());
        let mut line = self.line().await?;
        self.link.voting.release_all(&mut line, resources, token, audience).await
    }
}

#[async_trait]
impl Survey for RedisNode {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let mut line = self.line().await?;
        #[cfg(feature = "cluster")]
        if self.link.config.audience() == redlock_wire::Audience::Cluster {
            return redlock_wire::list_cluster(&mut line, prefix, from, Lasting::Foreign).await;
        }
        redlock_wire::list(&mut line, prefix, from, Lasting::Foreign).await
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        let audience = self.link.config.audience();
        redlock_wire::reset(&mut self.line().await?, resource, audience).await
    }
}

/// The connection that the commands of one call go over.
pub(crate) struct Line<'a> {
    pub(crate) link: &'a Link,
    pub(crate) session: Session,
}

impl RedisNode {
    pub(crate) async fn line(&self) -> Result<Line<'_>, NodeError> {
        Ok(Line { link: &self.link, session: self.link.session().await? })
    }
}

impl Exchange for Line<'_> {
    fn label(&self) -> &Arc<str> {
        &self.link.config.label
    }

    fn send(
        &mut self,
        command: Command<'_>,
    ) -> impl Future<Output = Result<Reply, Trouble>> + Send {
        // Before there is a future, which would keep the command beside what is made of it.
        let pace = if command.is_quick() { Pace::Quick } else { Pace::Slow };
        let command = packed(command);
        async move {
            match self.link.ask(&mut self.session, command, pace).await {
                Ok(value) => Ok(reply(value)),
                Err(cause) => Err(cause.of_command(self.label())),
            }
        }
    }

    async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
        let mut behind = Line { link: self.link, session: self.session.clone() };
        // Each is sent when it is first polled, and these are polled in this order.
        future::join(self.send(first), behind.send(second)).await
    }
}
