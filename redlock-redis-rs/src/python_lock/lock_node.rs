//! What the node does when it is asked: [`LockNode`] for [`PythonLockNode`].

use async_trait::async_trait;
use redlock_core::{
    Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Resource, Token, Ttl, Vote,
};

use super::PythonLockNode;

#[async_trait]
impl LockNode for PythonLockNode {
    fn label(&self) -> &str {
        self.server.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.server.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        Some(self)
    }

    /// A holder in Python would have no number.
    fn fencing(&self) -> Option<&dyn Fencing> {
        None
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.named(resource).acquire(&mut self.server.line().await?, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.named(resource).extend(&mut self.server.line().await?, token, ttl).await
    }

    /// Leaves the signal too: whoever has seen the lock held sleeps until there is one.
    ///
    /// A redlock does not want that of an attempt that failed, because with many nodes each such
    /// release would wake all who wait to no purpose. Here it can only be an attempt that had the
    /// whole lock, and one alone is woken.
    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.named(resource).release(&mut self.server.line().await?, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        self.named(resource).inspect(&mut self.server.line().await?).await
    }
}
