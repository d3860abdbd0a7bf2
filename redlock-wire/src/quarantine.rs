//! What a node refuses because its server may have forgotten locks: [`Quarantine`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redlock_core::{Delivery, Drift, FailureKind, NodeError, Resource, RestartPolicy, Ttl};

use crate::{Audience, Trouble};

/// Whether the server votes, as far as that is known here.
#[derive(Debug)]
pub(crate) struct Quarantine {
    policy: RestartPolicy,
    audience: Audience,
    /// The server has said that it does not vote before then. Kept by this process's clock too, so
    /// that a step of the server's makes it no shorter for those who have heard it.
    closed: Mutex<Option<Instant>>,
    epoch: Resource,
}

impl Quarantine {
    pub(crate) fn new(policy: RestartPolicy, audience: Audience) -> Self {
        let epoch = Resource::new("redlocks:epoch").expect("it is not empty");
        Self { policy, audience, closed: Mutex::default(), epoch }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.policy != RestartPolicy::Trust
    }

    /// The key that the server's run is written down in.
    pub(crate) const fn epoch(&self) -> &Resource {
        &self.epoch
    }

    /// How long a server does not vote, in microseconds; zero if it does.
    pub(crate) fn micros(&self) -> u64 {
        let lasts = self.policy.quarantine(Drift::default()).as_micros();
        u64::try_from(lasts).unwrap_or(u64::MAX).min(LONGEST)
    }

    /// Whether a lifetime may be asked for.
    pub(crate) fn admit(&self, label: &Arc<str>, ttl: Ttl) -> Result<(), NodeError> {
        match self.policy.max_ttl().filter(|most| ttl > *most) {
            None => Ok(()),
            Some(most) => Err(NodeError::new(Arc::clone(label), FailureKind::Rejected)
                .with_delivery(Delivery::NotSent)
                .with_source(TooLong { given: ttl.get(), most: most.get() })),
        }
    }

    /// Whether there is any use in asking for a vote.
    pub(crate) fn enter(&self, label: &Arc<str>, now: Instant) -> Result<(), NodeError> {
        if !self.is_on() {
            return Ok(());
        }
        if self.audience == Audience::Cluster {
            return Err(unable(label, Unable::Cluster).with_delivery(Delivery::NotSent));
        }
        let closed = *self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        match closed.map(|closed| closed.saturating_duration_since(now)) {
            Some(left) if !left.is_zero() => {
                Err(NodeError::quarantined(Arc::clone(label), left)
                    .with_delivery(Delivery::NotSent))
            }
            _ => Ok(()),
        }
    }

    /// The server has said that it does not vote for so long.
    pub(crate) fn told(&self, label: &Arc<str>, left: Duration, now: Instant) -> NodeError {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that has been away for longer than an `Instant` reaches need not be asked again.
        *closed = now.checked_add(left);
        NodeError::quarantined(Arc::clone(label), left)
    }

    /// What an error of a script means.
    pub(crate) fn error(&self, label: &Arc<str>, trouble: Trouble) -> NodeError {
        if trouble.code() == Some("NOINFO") {
            let said = NodeError::from(trouble);
            let said = said.cause().map(ToString::to_string).unwrap_or_default();
            return unable(label, Unable::NoInfo(said)).with_delivery(Delivery::Refused);
        }
        trouble.into()
    }
}

/// The script that keeps a server in quarantine takes one resource.
pub(crate) fn one_at_a_time(label: &Arc<str>) -> NodeError {
    unable(label, Unable::Set).with_delivery(Delivery::NotSent)
}

fn unable(label: &Arc<str>, unable: Unable) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Unsupported).with_source(unable)
}

#[derive(Debug, thiserror::Error)]
enum Unable {
    #[error("a cluster cannot be kept in quarantine, as each slot of it moves by itself")]
    Cluster,
    #[error("under a quarantine it takes one resource at a time")]
    Set,
    #[error("it cannot be kept in quarantine, which needs INFO to know when it restarts: {0}")]
    NoInfo(String),
}

#[derive(Debug, thiserror::Error)]
#[error("a ttl of {given:?} is longer than {most:?}, the longest that its quarantine is for")]
struct TooLong {
    given: Duration,
    most: Duration,
}

/// Sums of these and of clocks are exact in a double.
const LONGEST: u64 = 1 << 52;
