//! Nodes that misbehave in a way of their own.

use std::fmt;

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use redlock_testkit::{MemoryNode, Operation};
use redlocks::{
    Accord, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Resource, Sets,
    Survey, Token, Ttl, Vote, Witness,
};

pub(crate) type Answer = BoxFuture<'static, Result<Vote, NodeError>>;

/// A node whose answers are what a closure makes of those of the node behind. It may await them,
/// now or later, or throw them away.
pub(crate) struct Custom<F> {
    label: &'static str,
    behind: MemoryNode,
    answer: F,
}

impl<F: Fn(Operation, Answer) -> Answer> Custom<F> {
    pub(crate) fn new(label: &'static str, behind: MemoryNode, answer: F) -> Self {
        Self { label, behind, answer }
    }
}

impl<F> fmt::Debug for Custom<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)
    }
}

#[async_trait]
impl<F: Fn(Operation, Answer) -> Answer + Send + Sync + 'static> LockNode for Custom<F> {
    fn label(&self) -> &str {
        self.label
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        None
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
        None
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        let (node, r, t) = (self.behind.clone(), r.clone(), t.clone());
        let answer = async move { node.acquire(&r, &t, ttl).await };
        (self.answer)(Operation::Acquire, answer.boxed()).await
    }

    async fn extend(&self, r: &Resource, t: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        let (node, r, t) = (self.behind.clone(), r.clone(), t.clone());
        let answer = async move { node.extend(&r, &t, ttl).await };
        (self.answer)(Operation::Extend, answer.boxed()).await
    }

    async fn release(&self, r: &Resource, t: &Token) -> Result<Vote, NodeError> {
        let (node, r, t) = (self.behind.clone(), r.clone(), t.clone());
        let answer = async move { node.release(&r, &t).await };
        (self.answer)(Operation::Release, answer.boxed()).await
    }

    async fn inspect(&self, r: &Resource) -> Result<Inspection, NodeError> {
        self.behind.inspect(r).await
    }
}
