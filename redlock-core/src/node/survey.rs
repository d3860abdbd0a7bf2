use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::NodeError;
use crate::proto::{Resource, Token};

/// What a node may be able to do besides: tell which locks there are, and take one away from
/// whoever has it. For those who operate locks, not for those who use them.
///
/// Found through [`LockNode::survey`](super::LockNode::survey).
///
/// # Contract
///
/// * [`list`](Self::list) goes through the store piece by piece. What one call asks of the store
///   and what it answers is **bounded**, however many keys there are; a page may well be empty and
///   not be the last.
/// * What is held from before the first page until after the last is told, **once or more often**;
///   what comes or goes in between may be. What is told was held at that moment, by that token.
/// * Only locks are told. Keys that no lock made, as far as the node can tell, and what it keeps
///   beside its locks are left out.
/// * A listing changes nothing; resetting what a page told does not disturb the next pages.
/// * [`reset`](Self::reset) is **atomic**: the key is deleted, its token is told to the caller and
///   those who have [subscribed](super::Notifications::subscribe) are told that the resource is
///   free, or nothing is done. A node that may not tell them resets all the same.
#[async_trait]
pub trait Survey: fmt::Debug + Send + Sync {
    /// A page of the locks held on this node whose resource begins with this text, in no order; of
    /// all of them if it is empty. The first page, or that which begins where another
    /// [ended](Page::next), asked for with the same text.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing; the same page can be asked for again.
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError>;

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

/// A piece of what is held on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// The locks.
    pub held: Vec<Held>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// Where a page begins: means something to the node that made it, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(Arc<[u8]>);

impl Cursor {
    /// The place that the node finds by these bytes.
    #[must_use]
    pub fn new(place: impl Into<Arc<[u8]>>) -> Self {
        Self(place.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
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
