//! What the node does when it is asked: [`LockNode`] for [`PythonLockNode`].

use async_trait::async_trait;
use redlock_core::{
    Accord, Cursor, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Page,
    Resource, Sets, Survey, Token, Ttl, Vote, Witness,
};

use redlock_wire::PythonLock;

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

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        Some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.server.witness()
    }

    /// A holder in Python does not look at it.
    fn accord(&self) -> Option<&dyn Accord> {
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

    /// Tells nobody, as a redlock wants it. If the lock is still free in a moment, somebody is
    /// woken after all: a Python program that has seen it held sleeps until then.
    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let lock = self.named(resource);
        let mut line = self.server.line().await?;
        let reminder = self.reminders.remind(&self.server, lock.clone());
        let vote = lock.release(&mut line, token).await?;
        if let Vote::Refused(_) = vote {
            reminder.forget();
        }
        Ok(vote)
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        self.named(resource).inspect(&mut self.server.line().await?).await
    }
}

/// The locks of Python programs among them, also those that never end.
#[async_trait]
impl Survey for PythonLockNode {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        PythonLock::list(&mut self.server.line().await?, prefix, from).await
    }

    /// Leaves a signal, as [`reset`](PythonLockNode::reset) does.
    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        Ok(self.named(resource).reset(&mut self.server.line().await?).await?)
    }
}
