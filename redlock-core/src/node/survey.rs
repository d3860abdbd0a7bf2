use std::{fmt, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::NodeError;
use crate::proto::{Resource, Token};

/// What a node may be able to do besides: tell which locks there are, and take one away from
/// whoever has it. For those who operate locks, not for those who use them.
///
/// Found through [`LockNode::survey`](super::LockNode::survey).
#[async_trait]
pub trait Survey: fmt::Debug + Send + Sync {
    /// The locks held on this node whose resource begins with this text, in no order; all of them
    /// if it is empty.
    ///
    /// Read piece by piece, with a bound on what is asked of the store at once: what is held from
    /// the first to the last moment is told, once or several times, what comes or goes in between
    /// may be. Keys that no lock made are left out as far as the node can tell. The stream ends
    /// after its first error.
    fn list(&self, prefix: &str) -> BoxStream<'_, Result<Held, NodeError>>;

    /// Takes the resource away from whoever has it, and tells everybody who has subscribed to it.
    /// Whose it was, if anybody's.
    ///
    /// The holder is not asked, and finds out when it next looks. A key of this name that no lock
    /// made is left alone, which is an error.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError>;
}

/// A lock that one node knows of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// What is held.
    pub resource: Resource,
    /// The holder's token.
    pub token: Token,
    /// How much longer; `None` if the node cannot tell, or keeps it for ever.
    pub remaining: Option<Duration>,
}
