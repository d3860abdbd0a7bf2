//! deadpool-redis alone: a pool for each server, with as many connections as it has by default, and
//! a connection of it for each call.

use futures::future::try_join_all;
use redis::{Cmd, Script};
use redlocks::{
    async_trait,
    redis_rs::deadpool_redis::{Manager, Pool, Runtime},
};
use tokio::sync::OnceCell;

use super::{
    super::{Held, LockClient, RELEASE, TTL},
    REFUSED, at, command, majority, token,
};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let pools = urls.iter().map(|url| {
        let pool = Pool::builder(Manager::new(at(url)?)?).runtime(Runtime::Tokio1);
        Ok::<_, Failure>(pool.build()?)
    });
    Ok(Box::new(ByHand {
        pools: pools.collect::<Result<_, _>>()?,
        loaded: OnceCell::new(),
        release: Script::new(RELEASE),
    }))
}

struct ByHand {
    pools: Vec<Pool>,
    /// Whether the servers know the script.
    loaded: OnceCell<()>,
    release: Script,
}

struct HeldLock {
    pools: Vec<Pool>,
    release: Cmd,
}

impl ByHand {
    async fn load(&self) -> Result<(), Failure> {
        let loaded = self.pools.iter().map(async |pool| {
            self.release.load_async(&mut pool.get().await?).await?;
            Ok::<_, Failure>(())
        });
        try_join_all(loaded).await.map(drop)
    }
}

#[async_trait]
impl LockClient for ByHand {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        self.loaded.get_or_try_init(|| self.load()).await?;
        let token = token();
        let mut set = command(resource);
        set.arg("SET").arg(resource).arg(&token).arg("NX").arg("PX").arg(TTL.as_millis() as u64);
        let set = &set;
        let answers = self.pools.iter().cloned().map(|pool| async move { said(&pool, set).await });
        if !majority(answers).await {
            return Err(REFUSED.into());
        }
        let mut release = command(resource);
        release.arg("EVALSHA").arg(self.release.get_hash()).arg(1).arg(resource).arg(&token);
        Ok(Box::new(HeldLock { pools: self.pools.clone(), release }))
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        let Self { pools, release } = *self;
        let release = &release;
        majority(pools.into_iter().map(|pool| async move { said(&pool, release).await })).await
    }
}

/// Whether a server says yes to a command.
async fn said(pool: &Pool, command: &Cmd) -> bool {
    match pool.get().await {
        Ok(mut server) => command.query_async(&mut server).await.unwrap_or(false),
        Err(_) => false,
    }
}
