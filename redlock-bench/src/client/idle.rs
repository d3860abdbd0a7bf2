//! Clients that do nothing: what calling one costs.

use redlocks::async_trait;

use super::{Held, LockClient};
use crate::Failure;

/// By acquire and release.
pub(super) struct Idle;

/// By pairs.
pub(super) struct IdlePair;

#[async_trait]
impl LockClient for Idle {
    async fn acquire(&self, _: &str) -> Result<Box<dyn Held>, Failure> {
        // Something of no size would not be allocated.
        Ok(Box::new(HeldNothing(1)))
    }

    async fn settled(&self) {}
}

#[async_trait]
impl LockClient for IdlePair {
    async fn acquire(&self, _: &str) -> Result<Box<dyn Held>, Failure> {
        Err("it has no acquire".into())
    }

    async fn pair(&self, _: &str) -> Result<bool, Failure> {
        Ok(true)
    }

    async fn settled(&self) {}
}

struct HeldNothing(u8);

#[async_trait]
impl Held for HeldNothing {
    async fn release(self: Box<Self>) -> bool {
        self.0 > 0
    }
}
