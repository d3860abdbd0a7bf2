use std::{fmt, sync::Arc, time::Duration};

use super::{
    attempt,
    calls::Claim,
    error::Error,
    guard::Guard,
    handle::Lock,
    release::{Asked, Release, release},
    settings::Wishes,
    shared::Shared,
};
use crate::{
    ConfigError, Lease, Quorum, Renewal, Resource, ResourceSet,
    proto::{NodeSet, Timing},
};

/// The nodes, and the settings that their locks share. Made once, by [`builder`](Self::builder),
/// and cheap to clone.
///
/// From it come the [`Lock`]s, each for one resource, or for several that are had together.
///
/// What it does in the background (renewals, clean-up) it does on the runtime of its first acquire: a
/// program with several runtimes makes one for each.
#[derive(Clone)]
pub struct Redlock {
    shared: Arc<Shared>,
}

impl Redlock {
    pub(super) fn from_shared(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
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
        let resource = resource.try_into().map_err(Into::into);
        Lock::new(&self.shared, resource.map(ResourceSet::from))
    }

    /// The lock of several resources together: it is had for all of them or for none, and extended,
    /// renewed, lost and released as one. The order in which they are named does not matter, and
    /// one that is named twice counts once.
    ///
    /// Each resource is then held as by a [`lock`](Self::lock) of its own, and excludes those who
    /// ask for it alone, or in another set. No node is asked for one resource after the other, and
    /// nobody keeps some while he waits for the rest, so sets that overlap cannot block each
    /// other for ever.
    ///
    /// Every node must be able to take [several at once](crate::Sets). There is no fencing token
    /// for a set. What cannot be is told by whichever of the lock's calls comes first:
    /// [`ConfigError::NoResources`], [`ConfigError::NoSets`], [`ConfigError::FencedSet`], or that
    /// a name is none. A set of one is the lock of that resource, in every respect.
    pub fn lock_all<R>(&self, resources: impl IntoIterator<Item = R>) -> Lock
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        let named = resources.into_iter().map(|resource| resource.try_into().map_err(Into::into));
        let resources = named.collect::<Result<Vec<_>, _>>().and_then(ResourceSet::new);
        Lock::new(&self.shared, resources)
    }

    /// Releases a lease that no guard here keeps: one that was taken out of its guard, or came
    /// from another process. It returns when [`Guard::release`] would; only that a
    /// [shortest hold](Lock::hold_at_least) is the guard's alone, and not waited for here.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the rest is done in the background.
    pub async fn release(&self, lease: &Lease) -> Release {
        let claim = Claim { resources: lease.resources().clone(), token: lease.token().clone() };
        let timing = Timing::new(self.shared.settings.drift).grace(self.shared.settings.grace);
        let began = self.shared.now();
        let asked = Asked {
            nodes: self.shared.quorum.all(),
            without: NodeSet::EMPTY,
            began,
            forgotten: began.after(timing.kept(lease.ttl())),
            node_timeout: self.shared.settings.node_timeout(lease.ttl()),
            turn: None,
        };
        release(&self.shared, Arc::new(claim), asked).await
    }

    /// Extends a lease that no guard here keeps to at least `ttl` from now. It never becomes shorter:
    /// one that is known to last longer than that keeps its ttl and its end.
    ///
    /// # Errors
    ///
    /// Those of [`adopt`](Self::adopt); unless it is lost, the lease is then as it was.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lease is as it was or extended on some nodes, never shortened.
    pub async fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error> {
        let wishes = Wishes {
            ttl,
            renewal: Renewal::off(),
            max_hold: Some(Duration::MAX),
            hold_at_least: Duration::ZERO,
            fencing: false,
        };
        let terms = self.shared.settings.terms(lease.resources().clone(), wishes)?;
        self.shared.together(lease.resources())?;
        let extended = attempt::adopt(&self.shared, lease, &terms).await?.into_lease();
        if let Some(reason) = extended.lost() {
            // So near to its end that this was told in between.
            return Err(Error::lost(lease.resources(), reason, None));
        }
        Ok(match lease.until() {
            // Nodes do not shorten: what they were asked before still counts.
            Some(until) if extended.until() <= Some(until) => {
                lease.clone().valid(extended.validity(), until)
            }
            _ => extended,
        })
    }

    /// Goes on with a lease: asks the nodes to extend it by its ttl, and keeps it in a guard.
    ///
    /// What the lease says of its validity is not relied on unless this very process took it: a
    /// quorum of nodes must say that the token still has the lock.
    ///
    /// A lease is one lock, however many copies there are of it: the guard of one, or a
    /// [`release`](Self::release) by another, ends it for all, and no other guard is told. Adopt it
    /// in one place only.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if so many nodes no longer have it that no quorum is left, its validity
    /// ended first, or it was [lost](Lease::lost) before; [`Error::Unavailable`] if too few nodes
    /// could be asked to tell; [`Error::TooSlow`] if its end is not known here, and by the time that
    /// a quorum had extended it nothing was left of that; [`Error::Config`] if its ttl does not fit
    /// the settings here, a node cannot take several resources at once, or two nodes are one
    /// server; [`Error::NoRuntime`].
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lease is as it was or extended on some nodes, never shortened.
    pub async fn adopt(&self, lease: &Lease) -> Result<Guard, Error> {
        let wishes = Wishes { ttl: lease.ttl().get(), ..self.shared.settings.wishes };
        let terms = self.shared.settings.terms(lease.resources().clone(), wishes)?;
        self.shared.together(lease.resources())?;
        attempt::adopt(&self.shared, lease, &terms).await
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
    /// dropped guards, of attempts that failed or were cancelled, and of locks whose shortest hold or
    /// grace is not over. What comes up while waiting is not waited for.
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

impl fmt::Debug for Redlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redlock").field("nodes", &self.shared.labels).finish_non_exhaustive()
    }
}
