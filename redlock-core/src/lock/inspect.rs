use std::sync::Arc;

use futures::FutureExt;

use super::{
    error::Error,
    inquiry::Inquiry,
    redlock::Redlock,
    status::{NodeStatus, Status},
};
use crate::{ConfigError, Inspection, Resource, Standing, proto::NodeSet};

impl Redlock {
    /// Tells how it stands with a resource, by what a quorum of nodes says, and what each of them
    /// says. Changes nothing.
    ///
    /// Waits for every node, at most for the [node timeout](super::RedlockBuilder::node_timeout),
    /// and lists those that failed; if they are so many that it cannot be told, the standing is
    /// [`Standing::Unknown`].
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the name cannot be that of a resource, [`Error::NoRuntime`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    pub async fn inspect<R>(&self, resource: R) -> Result<Status, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        let mut look = Look::begin(self, resource)?;
        while look.inquiry.hear().await {}
        Ok(look.end())
    }

    /// Whether somebody has the lock of this resource, as soon as enough nodes have said so: after
    /// the [node timeout](super::RedlockBuilder::node_timeout) at the latest.
    ///
    /// It was so a moment ago; nobody may do anything because of it but show it. Votes of attempts
    /// without a quorum, [`Standing::Split`], are not a lock that is held.
    ///
    /// # Errors
    ///
    /// [`Error::Undecided`] if so many nodes failed that it cannot be told; [`Error::Config`] if the
    /// name cannot be that of a resource, [`Error::NoRuntime`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    pub async fn is_locked<R>(&self, resource: R) -> Result<bool, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        let mut look = Look::begin(self, resource)?;
        loop {
            if let Some(held) = look.standing().is_held() {
                return Ok(held);
            }
            if !look.inquiry.hear().await {
                return Err(Error::Undecided(Box::new(look.end())));
            }
        }
    }
}

/// A look at a resource on all nodes.
struct Look<'a> {
    redlock: &'a Redlock,
    resource: Resource,
    inquiry: Inquiry<Inspection>,
}

impl<'a> Look<'a> {
    fn begin<R>(redlock: &'a Redlock, resource: R) -> Result<Self, Error>
    where
        R: TryInto<Resource>,
        R::Error: Into<ConfigError>,
    {
        let resource = resource.try_into().map_err(Into::into)?;
        let shared = redlock.shared();
        // Not needed here; but without it there are no timers, and who asks is told why.
        shared.reaper.start()?;
        let inquiry = Inquiry::begin(shared, &resource, NodeSet::EMPTY, |node| {
            let resource = resource.clone();
            async move { node.inspect(&resource).await }.boxed()
        })?;
        Ok(Self { redlock, resource, inquiry })
    }

    fn standing(&self) -> Standing {
        let told = |answer: Option<&Result<Inspection, _>>| answer?.as_ref().ok().cloned();
        let told: Vec<_> = self.inquiry.answers().map(told).collect();
        let shared = self.redlock.shared();
        Standing::of(shared.quorum, &told, self.inquiry.ago(), shared.settings.drift)
    }

    fn end(self) -> Status {
        let (quorum, standing) = (self.redlock.shared().quorum, self.standing());
        let node = |(_, label, answer): (usize, Arc<str>, _)| NodeStatus { label, answer };
        let nodes = self.inquiry.end().map(node).collect();
        Status { resource: self.resource, quorum, standing, nodes }
    }
}
