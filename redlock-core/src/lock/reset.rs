use std::{fmt, sync::Arc};

use futures::FutureExt;

use super::{
    error::Error,
    inquiry::{Inquiry, surveyed},
    redlock::Redlock,
    shared::Shared,
    uproot::uproot,
};
use crate::{ConfigError, NodeError, Resource, Token, proto::NodeSet};

impl Redlock {
    /// Takes a resource away from whoever has it, on every node, and wakes those who wait for it.
    ///
    /// For a lock whose holder is known to be gone or must be stopped. It **breaks mutual
    /// exclusion** unless it is: the holder is not asked, and works on until it knows. One that
    /// acquired its lock in its turn from this very `Redlock`, or a clone, is told at once, and
    /// whoever waits behind it has the next turn; one elsewhere, or one that
    /// [adopted](Self::adopt) its lock or tried for it past others who waited, finds out when it next
    /// looks, by its renewal or an extension. Fencing tokens go on growing, so a resource that checks
    /// them refuses it from the next holder on.
    ///
    /// A holder who renews while nodes do this one after the other does not come through: the tokens
    /// that were removed are looked for on all of them again, until they are nowhere.
    ///
    /// A node that could not be reached keeps its vote until that expires, and one that hangs may
    /// carry the reset out late, then against the next holder's vote. It is waited for once, for the
    /// [node timeout](super::RedlockBuilder::node_timeout).
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
        let mut inquiry = Inquiry::begin(shared, &resource, NodeSet::EMPTY, |node| {
            let resource = resource.clone();
            async move { surveyed(&*node)?.reset(&resource).await }.boxed()
        })?;
        while inquiry.hear().await {}
        let node = |(_, label, removed): (usize, Arc<str>, _)| NodeReset { label, removed };
        let mut reset = Reset { resource, nodes: inquiry.end().map(node).collect() };
        reset.root_out(shared).await?;
        Ok(reset)
    }
}

impl Reset {
    /// Sees to it that whoever has been removed does not come back.
    async fn root_out(&mut self, shared: &Arc<Shared>) -> Result<(), ConfigError> {
        let removed = self.nodes.iter().filter_map(|node| node.removed.clone().ok()?);
        let mut tokens: Vec<Token> = removed.collect();
        tokens.sort_unstable();
        tokens.dedup();
        let failed = self.nodes.iter().enumerate().filter(|(_, node)| node.removed.is_err());
        let failed = failed.map(|(place, _)| place).collect();
        let uprooted = uproot(shared, &self.resource, &tokens, failed).await?;
        for (node, found) in self.nodes.iter_mut().zip(uprooted) {
            match (found, &mut node.removed) {
                (Err(error), removed) => *removed = Err(error),
                // It had none when it was asked first, and was given it again since.
                (Ok(found), Ok(removed @ None)) => *removed = found.into_iter().next(),
                (Ok(_), _) => {}
            }
        }
        Ok(())
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
