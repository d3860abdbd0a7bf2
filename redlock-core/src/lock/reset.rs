use std::{fmt, sync::Arc};

use futures::FutureExt;

use super::{
    error::Error,
    inquiry::{Inquiry, surveyed},
    redlock::Redlock,
    shared::Shared,
};
use crate::{ConfigError, FailureKind, LockNode, NodeError, Resource, Token, Vote};

impl Redlock {
    /// Takes a resource away from whoever has it, on every node, and wakes those who wait for it.
    ///
    /// For a lock whose holder is known to be gone or must be stopped. It **breaks mutual
    /// exclusion** unless it is: the holder is not asked, and is told only when it next looks, by its
    /// renewal or an extension; until then it works on. Fencing tokens go on growing, so a
    /// resource that checks them refuses it from the next holder on.
    ///
    /// A holder who renews while nodes do this one after the other does not come through: the tokens
    /// that were removed are looked for on all of them again, until they are nowhere.
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
        let mut reset = Reset { resource, nodes: inquiry.end().map(node).collect() };
        reset.root_out(shared).await?;
        Ok(reset)
    }
}

impl Reset {
    /// Sees to it that whoever has been removed does not come back.
    ///
    /// Nodes carry a reset out one after the other. A holder who extends the lock in between has a
    /// quorum left, and has the first of them set the key again. So what was removed is given up
    /// until a round finds it nowhere: then there is no quorum left that could heal the others.
    /// Nobody but those who were removed is asked for, so whoever has come since is left alone.
    async fn root_out(&mut self, shared: &Arc<Shared>) -> Result<(), ConfigError> {
        let mut tokens: Vec<Token> =
            self.nodes.iter().filter_map(|node| node.removed.clone().ok()?).collect();
        tokens.sort_unstable();
        tokens.dedup();
        if tokens.is_empty() {
            return Ok(());
        }
        for round in 1..=MOST_ROUNDS {
            let mut inquiry = Inquiry::begin(shared, |node| {
                let (resource, tokens) = (self.resource.clone(), tokens.clone());
                let failed = |other: &&NodeReset| *other.label == *node.label();
                let failed = self.nodes.iter().find(failed).is_some_and(|it| it.removed.is_err());
                async move {
                    let mut found = false;
                    // One that failed has been told of, and is not waited for again.
                    for token in tokens.iter().filter(|_| !failed) {
                        found |= give_up(&*node, &resource, token).await?;
                    }
                    Ok(found)
                }
                .boxed()
            })?;
            while inquiry.hear().await {}
            let mut is_over = true;
            for (node, (_, found)) in self.nodes.iter_mut().zip(inquiry.end()) {
                let found = found.unwrap_or_else(|error| {
                    node.removed = Err(error);
                    false
                });
                is_over &= !found;
                if found && round == MOST_ROUNDS {
                    let error = NodeError::new(Arc::clone(&node.label), FailureKind::Other);
                    node.removed = Err(error.with_source("its holder sets it again and again"));
                }
            }
            if is_over {
                break;
            }
        }
        Ok(())
    }
}

/// Whether the node had the resource for this token. It has no more, and those who wait are told.
async fn give_up(
    node: &dyn LockNode,
    resource: &Resource,
    token: &Token,
) -> Result<bool, NodeError> {
    let vote = match node.notifications() {
        Some(node) => node.release_and_notify(resource, token).await?.vote,
        None => node.release(resource, token).await?,
    };
    Ok(matches!(vote, Vote::Granted { .. }))
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

/// How often what was removed is looked for again. Once, but for a holder who extends his lock all
/// the time, on nodes that answer at very different times.
const MOST_ROUNDS: u32 = 8;
