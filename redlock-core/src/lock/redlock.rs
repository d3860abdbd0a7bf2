use std::{fmt, sync::Arc, time::Duration};

use super::{
    attempt::{self, Terms},
    builder::{RedlockBuilder, Settings},
    calls::Claim,
    error::Error,
    guard::Guard,
    handle::Lock,
    reaper::Reaper,
    release::{Release, release},
};
use crate::{
    ConfigError, Drift, Identity, Lease, LockNode, Moment, Quorum, Random, RandomError, Resource,
    Retry, Runtime, Token, Ttl,
};

/// The nodes, and the settings that their locks share. Made once, by [`builder`](Self::builder),
/// and cheap to clone.
///
/// From it come the [`Lock`]s, each for one resource.
#[derive(Clone)]
pub struct Redlock {
    shared: Arc<Shared>,
}

/// What all locks, guards and jobs of one [`Redlock`] share.
pub(super) struct Shared {
    pub(super) nodes: Vec<Arc<dyn LockNode>>,
    pub(super) labels: Vec<Arc<str>>,
    pub(super) quorum: Quorum,
    pub(super) drift: Drift,
    pub(super) settings: Settings,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) random: Arc<dyn Random>,
    pub(super) reaper: Reaper,
}

impl Redlock {
    /// Starts to build one.
    pub fn builder() -> RedlockBuilder {
        RedlockBuilder::new()
    }

    pub(super) fn from_shared(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The lock of a resource, with the settings of this redlock; its setters change them for this
    /// one.
    ///
    /// A name that cannot be one is told by whichever of the lock's calls comes first.
    pub fn lock<R>(&self, resource: R) -> Lock
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        Lock::new(&self.shared, resource.try_into().map_err(Into::into))
    }

    /// Releases a lease that no guard here keeps: one that was taken out of its guard, or came
    /// from another process.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the rest is done in the background.
    pub async fn release(&self, lease: &Lease) -> Release {
        let claim = Claim { resource: lease.resource().clone(), token: lease.token().clone() };
        let forgotten = self.shared.now().after(lease.ttl().get());
        let timeout = self.shared.node_timeout(lease.ttl());
        release(&self.shared, Arc::new(claim), self.shared.quorum.all(), forgotten, timeout).await
    }

    /// Extends a lease that no guard here keeps to at least `ttl` from now.
    ///
    /// # Errors
    ///
    /// Those of [`adopt`](Self::adopt); the lease is then as it was.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lease is as it was or extended on some nodes, never shortened.
    pub async fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error> {
        let terms = self.shared.terms(lease.resource().clone(), ttl)?;
        Ok(attempt::adopt(&self.shared, lease, &terms).await?.into_lease())
    }

    /// Goes on with a lease: asks the nodes to extend it by its ttl, and keeps it in a guard.
    ///
    /// What the lease says of its validity is not relied on unless this very process took it: a
    /// quorum of nodes must say that the token still has the lock.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if so many nodes no longer have it that no quorum is left, or its validity
    /// ended first; [`Error::Unavailable`] or [`Error::Contended`] if too few nodes could be asked
    /// to tell; [`Error::Config`] if its ttl does not fit the settings here.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lease is as it was or extended on some nodes, never shortened.
    pub async fn adopt(&self, lease: Lease) -> Result<Guard, Error> {
        let terms = self.shared.terms(lease.resource().clone(), lease.ttl().get())?;
        attempt::adopt(&self.shared, &lease, &terms).await
    }

    /// The labels of the nodes, in the order in which they were given.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.shared.labels.iter().map(|label| &**label)
    }

    /// How many nodes there are and how many must agree.
    #[must_use]
    pub fn quorum(&self) -> Quorum {
        self.shared.quorum
    }

    /// Waits until every clean-up that is under way in the background has ended: releases of
    /// dropped guards and of attempts that failed or were cancelled.
    ///
    /// To be called before a program ends, with a time limit of its own: a node that hangs is
    /// waited for until it must have forgotten the lock by itself.
    ///
    /// # Cancel safety
    ///
    /// Waiting changes nothing.
    pub async fn settled(&self) {
        self.shared.reaper.settled().await;
    }
}

impl Shared {
    pub(super) fn now(&self) -> Moment {
        self.runtime.now()
    }

    pub(super) fn retry(&self) -> Retry {
        self.settings.retry
    }

    /// A token that no attempt has had before (R14).
    pub(super) fn fresh_token(&self) -> Result<Token, RandomError> {
        let mut bits = [0; Token::RANDOM_BYTES];
        self.random.fill(&mut bits)?;
        Ok(Token::from_random(bits))
    }

    /// Random bits for jitter. Without any, everybody waits the full pause: slower, never wrong.
    pub(super) fn chance(&self) -> u32 {
        let mut bits = [0; 4];
        self.random.fill(&mut bits).map_or(0, |()| u32::from_ne_bytes(bits))
    }

    /// Checks what belongs together for one lock, before a byte is sent.
    pub(super) fn terms(&self, resource: Resource, ttl: Duration) -> Result<Terms, ConfigError> {
        let ttl = Ttl::new(ttl)?;
        let node_timeout = self.node_timeout(ttl);
        self.settings.fit(ttl, node_timeout)?;
        Ok(Terms { resource, ttl, node_timeout })
    }

    pub(super) fn node_timeout(&self, ttl: Ttl) -> Duration {
        self.settings.node_timeout(ttl)
    }

    /// The most that nodes get to answer, whatever the ttl.
    pub(super) fn longest_node_timeout(&self) -> Duration {
        self.settings.node_timeout(Ttl::MAX)
    }

    /// Two nodes that have turned out to be one server, which would have two votes (R10).
    pub(super) fn same_server(&self) -> Option<ConfigError> {
        let known: Vec<(usize, Identity)> = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(place, node)| Some((place, node.identity()?)))
            .collect();
        let twice = |(later, (place, identity)): (usize, &(usize, Identity))| {
            let (first, _) = known[..later].iter().find(|(_, other)| other == identity)?;
            Some((*first, *place))
        };
        let (first, second) = known.iter().enumerate().find_map(twice)?;
        let label = |place: usize| self.labels[place].to_string();
        Some(ConfigError::SameServer { first: label(first), second: label(second) })
    }
}

impl fmt::Debug for Redlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redlock").field("nodes", &self.shared.labels).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("nodes", &self.labels).finish_non_exhaustive()
    }
}
