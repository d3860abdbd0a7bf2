//! This project's client by its public API.

use std::time::Duration;

use redlocks::{
    Guard, Redlock, Retry, async_trait,
    fred::FredNode,
    redis_rs::{PooledNode, RedisNode},
};

use super::{Held, LockClient, deaf::Deaf};
use crate::Failure;

/// With the settings that a program has that sets none.
pub(super) fn over_redis_rs(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let redlock = Redlock::builder().nodes(RedisNode::open_all(urls)?).build()?;
    Ok(Box::new(redlock))
}

/// The same over fred.
pub(super) fn over_fred(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let redlock = Redlock::builder().nodes(FredNode::open_all(urls)?).build()?;
    Ok(Box::new(redlock))
}

/// The same over pools of deadpool-redis.
pub(super) fn over_deadpool(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let redlock = Redlock::builder().nodes(PooledNode::open_all(urls)?).build()?;
    Ok(Box::new(redlock))
}

/// Told of nothing, it looks again after a random time.
pub(super) fn polling(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let nodes = RedisNode::open_all(urls)?.into_iter().map(Deaf::new);
    let retry = Retry::fixed(LONGEST_PAUSE).jitter(1.0)?.unlimited();
    Ok(Box::new(Redlock::builder().nodes(nodes).retry(retry).build()?))
}

#[async_trait]
impl LockClient for Redlock {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        Ok(Box::new(self.lock(resource).wait(PATIENCE).acquire().await?))
    }

    async fn settled(&self) {
        Self::settled(self).await;
    }
}

#[async_trait]
impl Held for Guard {
    async fn release(self: Box<Self>) -> bool {
        Self::release(*self).await.is_released()
    }
}

const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// Longer than anything here takes; whoever waits for that long has been forgotten.
const PATIENCE: Duration = Duration::from_secs(300);
