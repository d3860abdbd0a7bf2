//! redis-rs alone: what all others are compared with. One multiplexed connection for each server;
//! each command is written down once for all of them.

use futures::future::try_join_all;
use redis::{Client, Cmd, Script, aio::MultiplexedConnection};
use redlocks::async_trait;
use tokio::sync::OnceCell;

use super::{
    super::{Held, LockClient, RELEASE, TTL},
    REFUSED, at, command, majority, token,
};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let clients = urls.iter().map(|url| Ok::<_, Failure>(Client::open(at(url)?)?));
    Ok(Box::new(ByHand {
        clients: clients.collect::<Result<_, _>>()?,
        servers: OnceCell::new(),
        release: Script::new(RELEASE),
    }))
}

struct ByHand {
    clients: Vec<Client>,
    servers: OnceCell<Vec<MultiplexedConnection>>,
    release: Script,
}

struct HeldLock {
    servers: Vec<MultiplexedConnection>,
    release: Cmd,
}

impl ByHand {
    async fn connect(&self) -> Result<Vec<MultiplexedConnection>, Failure> {
        let servers = self.clients.iter().map(async |client| {
            let mut server = client.get_multiplexed_async_connection().await?;
            self.release.load_async(&mut server).await?;
            Ok::<_, Failure>(server)
        });
        try_join_all(servers).await
    }
}

#[async_trait]
impl LockClient for ByHand {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let servers = self.servers.get_or_try_init(|| self.connect()).await?;
        let token = token();
        let mut set = command(resource);
        set.arg("SET").arg(resource).arg(&token).arg("NX").arg("PX").arg(TTL.as_millis() as u64);
        let set = &set;
        let answers = servers.iter().cloned().map(|mut server| async move {
            set.query_async::<bool>(&mut server).await.unwrap_or(false)
        });
        if !majority(answers).await {
            return Err(REFUSED.into());
        }
        let mut release = command(resource);
        release.arg("EVALSHA").arg(self.release.get_hash()).arg(1).arg(resource).arg(&token);
        Ok(Box::new(HeldLock { servers: servers.clone(), release }))
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        let Self { servers, release } = *self;
        let release = &release;
        let answers = servers.into_iter().map(|mut server| async move {
            release.query_async::<bool>(&mut server).await.unwrap_or(false)
        });
        majority(answers).await
    }
}
