//! `redlock`, which is not async: its calls block the thread that makes them.

use redlock::RedLock;
use redlocks::async_trait;

use super::super::{Held, LockClient, TTL};
use crate::Failure;

pub(in crate::client) fn client(urls: &[String]) -> Box<dyn LockClient> {
    Box::new(Blocking(RedLock::new(urls.to_vec())))
}

struct Blocking(RedLock);

#[async_trait]
impl LockClient for Blocking {
    async fn acquire(&self, _: &str) -> Result<Box<dyn Held>, Failure> {
        Err("a lock of the crate redlock is not handed on, as it borrows its manager".into())
    }

    async fn pair(&self, resource: &str) -> Result<bool, Failure> {
        let guard = self.0.acquire(resource.as_bytes(), TTL.as_millis() as usize)?;
        drop(guard);
        Ok(true)
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}
