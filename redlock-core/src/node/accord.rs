use std::fmt;

use async_trait::async_trait;

use super::NodeError;
use crate::proto::Resource;

/// What a node may be able to do besides: keep what all its clients must agree on, so that one whose
/// settings differ is found out before its vote counts (requirement R11).
///
/// Found through [`LockNode::accord`](super::LockNode::accord).
///
/// # Contract
///
/// * [`agree`](Self::agree) is **atomic**: of clients that ask at the same time under one name, one
///   has its terms written down, and all are told these.
/// * What is written down stays, unchanged and without an end, until somebody deletes it or the
///   store forgets everything. A node of another [`identity`](super::LockNode::identity) may have
///   forgotten it.
/// * It lies beside the locks: no resource has its name, and it is never listed as a lock. Terms
///   under different names have nothing to do with each other.
#[async_trait]
pub trait Accord: fmt::Debug + Send + Sync {
    /// Writes these terms down under this name unless there are some; and tells what is there now.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it unknown whether the terms were written down. They can be
    /// asked for again.
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError>;
}
