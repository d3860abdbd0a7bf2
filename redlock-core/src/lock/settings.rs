use std::time::Duration;

use crate::{ConfigError, Drift, Resource, Retry, Ttl};

/// What can be set, and how it belongs together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) ttl: Duration,
    pub(super) retry: Retry,
    pub(super) drift: Drift,
    pub(super) node_timeout: Option<Duration>,
}

/// What one attempt is to achieve.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) resource: Resource,
    pub(super) ttl: Ttl,
    pub(super) node_timeout: Duration,
}

impl Settings {
    /// How long nodes get to answer for a lock of this ttl.
    pub(super) fn node_timeout(&self, ttl: Ttl) -> Duration {
        self.node_timeout.unwrap_or_else(|| DEFAULT_NODE_TIMEOUT.min(ttl.get() / 4))
    }

    /// Whether a lock of this ttl can be had when a node is slow (R4).
    pub(super) fn fit(&self, ttl: Ttl, node_timeout: Duration) -> Result<(), ConfigError> {
        if node_timeout.is_zero() {
            return Err(ConfigError::ZeroNodeTimeout);
        }
        if self.drift.validity(ttl) <= node_timeout {
            let (drift, ttl) = (self.drift.allowance(ttl), ttl.get());
            return Err(ConfigError::TtlWithinTimeout { ttl, drift, node_timeout });
        }
        Ok(())
    }

    /// Checks what belongs together for one lock, before a byte is sent.
    pub(super) fn terms(&self, resource: Resource, ttl: Duration) -> Result<Terms, ConfigError> {
        let ttl = Ttl::new(ttl)?;
        let node_timeout = self.node_timeout(ttl);
        self.fit(ttl, node_timeout)?;
        Ok(Terms { resource, ttl, node_timeout })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            retry: Retry::default(),
            drift: Drift::default(),
            node_timeout: None,
        }
    }
}

const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_millis(100);
