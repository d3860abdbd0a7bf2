use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::NodeError;
use crate::proto::{Notice, Resource, Token, Vote};

/// What a node may be able to do besides: tell those who wait that a resource has been given up.
///
/// Found through [`LockNode::notifications`](super::LockNode::notifications). It only makes waiting
/// faster. A notice is a hint, never a vote: one that is lost costs the time until a waiter looks
/// by itself, one that comes twice or late costs an attempt in vain. So a node need not be
/// reliable about them, and nothing here may make an acquire fail (requirement R53).
///
/// # Contract
///
/// * When [`subscribe`](Self::subscribe) has completed, every notice of this resource from then on
///   goes into the stream, until the stream ends.
/// * What a node cannot hear any more, it does not pretend to: the stream **ends** when its
///   connection does. It is the waiter who subscribes again, and looks at the lock once he has.
/// * A subscriber who falls behind loses notices; he holds up nobody and takes no memory without
///   end. Of notices that waited, at least one is left.
/// * Notices of one resource wake nobody who waits for another, whatever characters their names
///   are made of.
/// * Dropping the stream ends the subscription. While nobody subscribes, nothing is connected for
///   it.
#[async_trait]
pub trait Notifications: fmt::Debug + Send + Sync {
    /// As [`release`](super::LockNode::release); and if that deletes the key, in the same atomic
    /// step everybody who has subscribed to the resource is told.
    ///
    /// A node that may not tell anybody releases all the same.
    ///
    /// # Errors
    ///
    /// Those of [`release`](super::LockNode::release).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError>;

    /// Tells everybody who has subscribed that the resource may be free, changing nothing. A node
    /// that sees that somebody has it may keep quiet.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it unknown whether anybody is told.
    async fn notify(&self, resource: &Resource) -> Result<(), NodeError>;

    /// Listens to the notices of a resource. Completes when nothing will be missed from now on.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if that cannot be had: the node did not answer, or its permissions forbid it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, nobody is subscribed.
    async fn subscribe(&self, resource: &Resource)
    -> Result<BoxStream<'static, Notice>, NodeError>;
}

/// What a node that tells others about a release answers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Announced {
    /// What it answers to the release.
    pub vote: Vote,
    /// How many subscribers of the resource it knew of when it released; none if it cannot tell.
    pub listeners: u32,
}
