use std::fmt;

use async_trait::async_trait;

use super::NodeError;
use crate::proto::{Fence, Resource, Token, Ttl, Vote};

/// What a node may be able to do besides: count the holders of a resource, so that each has a
/// [`Fence`] that is larger than all before.
///
/// Found through [`LockNode::fencing`](super::LockNode::fencing). Beside the key of a resource the
/// node keeps a counter, which outlives the key.
///
/// # Contract
///
/// * Each call is atomic on the node, key and counter together.
/// * The counter **never decreases** and is never lost while a lock of the resource may matter. It
///   grows by at least one **each time a key is set** that was not there, and in that same step.
/// * A counter that is not there, because it is the first time, or because it was lost or has
///   expired after all, starts from the node's clock in microseconds since 1970, so that it is
///   larger than any before, unless that clock was set back, or is behind those of other nodes, by
///   longer than the counter was away.
/// * Nothing that holds of [`LockNode`](super::LockNode) is changed by it: plain and fenced calls
///   for one resource exclude each other.
#[async_trait]
pub trait Fencing: fmt::Debug + Send + Sync {
    /// As [`acquire`](super::LockNode::acquire), and counts.
    ///
    /// If it sets the key, the counter becomes one more than the larger of itself and `hint`, and
    /// the vote [tells](Vote::counted) it. If the key is this token's already, the vote tells the
    /// counter as it stands. A refusal tells it as well.
    ///
    /// A hint that cannot have come from a counter, being further ahead of the node's clock than a
    /// day, is ignored.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](super::LockNode::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError>;

    /// Makes the counter at least `fence` if this token has the resource, and tells it as it then is:
    /// more than `fence` if it was more before.
    ///
    /// Refused, and nothing changed, if the token does not have the resource.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown, which does no harm.
    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError>;
}
