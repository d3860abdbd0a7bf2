use std::fmt;

use async_trait::async_trait;

use super::{Announced, NodeError};
use crate::proto::{ResourceSet, Token, Ttl, Vote};

/// What a node may be able to do besides: take several resources at once, all of them or none.
///
/// Found through [`LockNode::sets`](super::LockNode::sets). A set is no lock of its own: each of its
/// resources is held as if it had been acquired alone, and excludes whoever asks for it alone.
///
/// # Contract
///
/// * Each call is **atomic** on the node: nobody sees a part of it.
/// * [`acquire_all`](Self::acquire_all) grants when each resource is free or already held by this
///   very token; what was this token's keeps its expiry. Else it changes nothing, and the refusal
///   tells of one resource that is in the way.
/// * [`extend_all`](Self::extend_all) makes the lifetime of each *at least* the given ttl from now
///   if all of them are this token's; else it changes nothing.
/// * [`release_all`](Self::release_all) gives up those that are this token's and leaves the others
///   alone. It is a grant if all of them were.
/// * What a node cannot do at once, such as resources whose keys lie in different slots of a
///   cluster, it rejects: [`FailureKind::Rejected`](crate::FailureKind::Rejected), with nothing
///   done.
#[async_trait]
pub trait Sets: fmt::Debug + Send + Sync {
    /// Takes every resource for this token, or none.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError>;

    /// Keeps every resource for at least `ttl` from now, if the token has all of them.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError>;

    /// Gives up what this token has of them. Nobody is told.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError>;

    /// As [`release_all`](Self::release_all); and who has subscribed to one that is given up is
    /// told in the same step, if the node [can tell](super::Notifications). The listeners are
    /// those of all of them together.
    ///
    /// # Errors
    ///
    /// Those of [`release_all`](Self::release_all): a node that may not tell anybody releases all
    /// the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError>;
}
