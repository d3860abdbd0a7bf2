use std::fmt;

use redlock_core::{Cache, CacheError, Cached, Freshness, async_trait};
use redlock_wire::{UrlError, cache_key, read_cached, write_cached};

use crate::node::FredNode;

/// A Redis or Valkey server as a cache of computed values, for
/// [`get_or_compute`](redlock_core::Redlock::get_or_compute).
///
/// The value of the key `rates` is kept under `redlocks:cache:rates`, behind a line that says for
/// how many milliseconds before its end it is stale: `DEL` makes everybody compute it anew.
/// Freshness follows the server's clock alone. It may be one of the servers that keep the locks, or
/// any other, a cluster too; it may evict what it likes, and lose everything when it restarts.
///
/// Needs `+get +pttl +set +eval +evalsha` on the keys `~redlocks:cache:*`, Redis 2.6.12 or newer.
#[derive(Clone)]
pub struct FredCache {
    node: FredNode,
}

impl FredCache {
    /// The server at this url, as for [`FredNode::open`].
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the url cannot be used, which says why and shows nothing of the url.
    pub fn open(url: &str) -> Result<Self, UrlError> {
        FredNode::open(url).map(Self::on)
    }

    /// The server, sentinels or cluster of this node, with its settings, and a connection of the
    /// cache's own if the node makes its connections itself: large values then hold up no lock.
    ///
    /// What a node says of restarts, durability and eviction is for locks and not for caches.
    #[must_use]
    pub fn on(node: FredNode) -> Self {
        Self { node: node.allow_eviction() }
    }
}

#[async_trait]
impl Cache for FredCache {
    async fn read(&self, key: &str) -> Result<Option<Cached>, CacheError> {
        let key = cache_key(key);
        let mut line = self.node.line(&key).await.map_err(CacheError::new)?;
        read_cached(&mut line, &key).await
    }

    async fn write(&self, key: &str, value: &[u8], freshness: Freshness) -> Result<(), CacheError> {
        let key = cache_key(key);
        let mut line = self.node.line(&key).await.map_err(CacheError::new)?;
        write_cached(&mut line, &key, value, freshness).await
    }
}

/// Only where it is: what connects there may be secret.
impl fmt::Debug for FredCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FredCache").field(&self.node.link.config.label).finish()
    }
}
