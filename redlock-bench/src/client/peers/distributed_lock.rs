//! `distributed-lock-redis`, with its settings as they are by default.

use distributed_lock_core::prelude::*;
use distributed_lock_redis::{RedisLockHandle, RedisLockProvider};
use redlocks::async_trait;
use tokio::sync::OnceCell;

use super::super::{Held, LockClient};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Box<dyn LockClient> {
    Box::new(DistributedLocks { urls: urls.to_vec(), provider: OnceCell::new() })
}

struct DistributedLocks {
    urls: Vec<String>,
    provider: OnceCell<RedisLockProvider>,
}

struct HeldLock(RedisLockHandle);

#[async_trait]
impl LockClient for DistributedLocks {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let build = || RedisLockProvider::builder().urls(&self.urls).build();
        let provider = self.provider.get_or_try_init(build).await?;
        Ok(Box::new(HeldLock(provider.create_lock(resource).acquire(None).await?)))
    }

    /// What it does in the background it does not tell.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        self.0.release().await.is_ok()
    }
}
