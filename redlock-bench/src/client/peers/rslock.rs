//! `rslock`, over the same servers, with its settings as they are by default.

use redlocks::async_trait;
use rslock::{Lock, LockManager};

use super::super::{Held, LockClient, TTL};
use crate::Failure;

pub(in crate::client) fn client(urls: &[String]) -> Box<dyn LockClient> {
    Box::new(Rslock(LockManager::new(urls.to_vec())))
}

struct Rslock(LockManager);

struct HeldLock {
    manager: LockManager,
    lock: Lock,
}

#[async_trait]
impl LockClient for Rslock {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let lock = self.0.acquire_no_guard(resource, TTL).await?;
        Ok(Box::new(HeldLock { manager: self.0.clone(), lock }))
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        self.manager.unlock(&self.lock).await;
        true
    }
}
