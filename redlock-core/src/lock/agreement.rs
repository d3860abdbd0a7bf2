use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;

use crate::{
    ConfigError, Delivery, FailureKind, Identity, LockNode, NodeError, Resource, Ttl, node::Accord,
};

/// What all clients of some servers are to have the same, under a name that they share.
///
/// Two clients exclude each other only if any quorum of one has a server in common with any quorum
/// of the other. One that was given three servers and one that was given five do not, and neither
/// finds out by itself. With an [agreement](super::RedlockBuilder::agreement) the first client
/// writes down on each node what it was given, and a node counts for no client that was given
/// something else.
///
/// What is compared is the protocol, **how many** nodes there are, the [longest ttl](Self::max_ttl)
/// and [what the servers are called](Self::servers). Which servers they are cannot be compared: each
/// client may know them by other addresses, and a server that restarts is another one to itself. So a
/// client with another server in place of one of them is found out only if `servers` says so.
///
/// No node counts for two clients that were given different things. One that has a majority of nodes
/// without those of the others is not kept from locking, as they are not; a node that disagrees is
/// told to the [observer](crate::Observer::node_failed).
///
/// ```
/// use std::time::Duration;
///
/// use redlock_core::Agreement;
///
/// let agreement = Agreement::named("jobs")
///     .servers("eu-1 eu-2 eu-3")
///     .max_ttl(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a redlock is built with it"]
pub struct Agreement {
    name: Result<Resource, ConfigError>,
    servers: Option<Arc<str>>,
    max_ttl: Option<Duration>,
}

impl Agreement {
    /// An agreement of this name. Clients with another, or none, are not compared with.
    pub fn named<N>(name: N) -> Self
    where
        N: TryInto<Resource>,
        N::Error: Into<ConfigError>,
    {
        Self { name: name.try_into().map_err(Into::into), servers: None, max_ttl: None }
    }

    /// What the servers are called, in any text that all clients spell alike. To be changed with the
    /// list of servers: no more is known of which they are.
    pub fn servers(mut self, servers: impl Into<Arc<str>>) -> Self {
        self.servers = Some(servers.into());
        self
    }

    /// The longest that any client has nodes keep a lock: its ttl and the
    /// [grace](super::RedlockBuilder::grace). Locks that are to last longer are refused.
    ///
    /// A [quarantine](crate::RestartPolicy) that is as long is then long enough for every client.
    pub const fn max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = Some(max_ttl);
        self
    }

    /// The longest ttl, as it was given.
    pub(super) const fn longest(&self) -> Option<Duration> {
        self.max_ttl
    }

    /// In words, for this many nodes.
    fn terms(&self, nodes: usize) -> Result<String, ConfigError> {
        let mut terms = format!("redlocks={PROTOCOL} nodes={nodes}");
        if let Some(max_ttl) = self.max_ttl {
            write!(terms, " max_ttl={}ms", Ttl::new(max_ttl)?.as_millis()).ok();
        }
        if let Some(servers) = &self.servers {
            write!(terms, " servers={servers:?}").ok();
        }
        Ok(terms)
    }
}

/// The agreement of one redlock, and which of its nodes are known to have it.
#[derive(Debug)]
pub(super) struct Agreed {
    name: Resource,
    terms: String,
    /// Who each node was when it had it.
    had: Vec<Mutex<Option<Who>>>,
}

/// Whom a node takes its store to be, which may be nobody it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Who(Option<Identity>);

impl Agreed {
    pub(super) fn new(
        agreement: Agreement,
        nodes: &[Arc<dyn LockNode>],
    ) -> Result<Self, ConfigError> {
        let terms = agreement.terms(nodes.len())?;
        if let Some(node) = nodes.iter().find(|node| node.accord().is_none()) {
            return Err(ConfigError::NoAccord { label: node.label().to_owned() });
        }
        let had = nodes.iter().map(|_| Mutex::default()).collect();
        Ok(Self { name: agreement.name?, terms, had })
    }

    /// Asks the node, unless it has said already that it agrees and has been the same since.
    pub(super) fn ask<'a>(
        &'a self,
        place: usize,
        node: &'a dyn LockNode,
    ) -> Option<BoxFuture<'a, Result<(), NodeError>>> {
        let (had, who) = (self.had.get(place)?, Who(node.identity()));
        let known = *had.lock().unwrap_or_else(PoisonError::into_inner) == Some(who);
        (!known).then(|| -> BoxFuture<'a, _> {
            Box::pin(async move {
                self.compare(node).await?;
                // One that became another meanwhile, or was nobody yet, may have been asked as
                // either: it counts once, and is asked again.
                if Who(node.identity()) == who {
                    *had.lock().unwrap_or_else(PoisonError::into_inner) = Some(who);
                }
                Ok(())
            })
        })
    }

    async fn compare(&self, node: &dyn LockNode) -> Result<(), NodeError> {
        let failed = |kind| NodeError::new(node.label(), kind).with_delivery(Delivery::NotSent);
        let able: &dyn Accord = node.accord().ok_or_else(|| failed(FailureKind::Unsupported))?;
        // Whatever became of this request, the one for the lock was not sent.
        let there = able.agree(&self.name, &self.terms).await;
        let mut there = there.map_err(|error| error.with_delivery(Delivery::NotSent))?;
        if there == self.terms {
            return Ok(());
        }
        if let Some((end, _)) = there.char_indices().nth(LONGEST_SHOWN) {
            there.truncate(end);
        }
        let (name, here) = (self.name.clone(), self.terms.clone());
        Err(failed(FailureKind::Rejected).with_source(Disagreement { name, there, here }))
    }
}

/// Why a node does not count for this client.
#[derive(Debug, thiserror::Error)]
#[error("its clients agreed on [{there}] as {:?}, and this one has [{here}]", name.as_str())]
struct Disagreement {
    name: Resource,
    there: String,
    here: String,
}

/// What the votes of this library mean. Clients with another do not exclude each other.
const PROTOCOL: u32 = 1;

/// How much of what a node has is shown, in characters: anybody may have written it.
const LONGEST_SHOWN: usize = 512;
