use std::{fmt, sync::Arc};

use futures::FutureExt;

use super::{
    error::Error,
    inquiry::{Inquiry, surveyed},
    redlock::Redlock,
};
use crate::{ConfigError, NodeError, Resource, Token};

impl Redlock {
    /// Takes a resource away from whoever has it, on every node, and wakes those who wait for it.
    ///
    /// For a lock whose holder is known to be gone or must be stopped. It **breaks mutual
    /// exclusion** unless it is: the holder is not asked, and is told only when it next looks, by its
    /// renewal or an extension; until then it works on. Fencing tokens go on growing, so a
    /// resource that checks them refuses it from the next holder on.
    ///
    /// A node that could not be reached keeps its vote until that expires, and one that hangs may
    /// carry the reset out late, then against the next holder's vote.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the name cannot be that of a resource, [`Error::NoRuntime`]. What nodes
    /// could not do is in the [`Reset`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is unknown which nodes have done it.
    pub async fn reset<R>(&self, resource: R) -> Result<Reset, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        let resource: Resource = resource.try_into().map_err(Into::into)?;
        let shared = self.shared();
        shared.reaper.start()?;
        let mut inquiry = Inquiry::begin(shared, |node| {
            let resource = resource.clone();
            async move { surveyed(&*node)?.reset(&resource).await }.boxed()
        })?;
        while inquiry.hear().await {}
        let node = |(label, removed): (Arc<str>, _)| NodeReset { label, removed };
        Ok(Reset { resource, nodes: inquiry.end().map(node).collect() })
    }
}

/// What a reset removed on which node, and which nodes failed.
///
/// Reads as one sentence.
#[derive(Clone, Debug)]
#[must_use = "nodes that failed may still keep the lock"]
pub struct Reset {
    resource: Resource,
    nodes: Vec<NodeReset>,
}

/// What a reset did on one node.
#[derive(Clone, Debug)]
pub struct NodeReset {
    label: Arc<str>,
    removed: Result<Option<Token>, NodeError>,
}

impl Reset {
    /// The resource.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What it did on each node, in the order in which the nodes were given.
    #[must_use]
    pub fn nodes(&self) -> &[NodeReset] {
        &self.nodes
    }

    /// Whether every node did it, so that none keeps the resource for whoever had it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.nodes.iter().all(|node| node.removed.is_ok())
    }

    /// On how many nodes somebody had it.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.removed, Ok(Some(_)))).count()
    }
}

impl NodeReset {
    /// The label of the node.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The token that had the resource there, if one had; or why the node failed.
    ///
    /// # Errors
    ///
    /// That of the node.
    pub fn removed(&self) -> Result<Option<&Token>, &NodeError> {
        self.removed.as_ref().map(Option::as_ref)
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (removed, nodes) = (self.removed(), self.nodes.len());
        write!(f, "reset {:?}: removed on {removed} of {nodes} nodes", self.resource)?;
        let mut separator = ": ";
        for node in &self.nodes {
            if let Ok(Some(token)) = &node.removed {
                write!(f, "{separator}{}", node.label)?;
                if let Some(owner) = token.owner() {
                    write!(f, " (of {owner})")?;
                }
                separator = ", ";
            }
        }
        for error in self.nodes.iter().filter_map(|node| node.removed.as_ref().err()) {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}
