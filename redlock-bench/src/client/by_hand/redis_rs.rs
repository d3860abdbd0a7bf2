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
    Ok(Box::new(ByHand { way: Way::to(urls)?, servers: OnceCell::new() }))
}

struct ByHand {
    way: Way,
    servers: OnceCell<Vec<MultiplexedConnection>>,
}

struct HeldLock {
    servers: Vec<MultiplexedConnection>,
    release: Cmd,
}

/// A way to the servers, and what is said to them.
pub(super) struct Way {
    clients: Vec<Client>,
    release: Script,
}

impl Way {
    pub(super) fn to(urls: &[String]) -> Result<Self, Failure> {
        let clients = urls.iter().map(|url| Ok::<_, Failure>(Client::open(at(url)?)?));
        Ok(Self { clients: clients.collect::<Result<_, _>>()?, release: Script::new(RELEASE) })
    }

    pub(super) async fn connect(&self) -> Result<Vec<MultiplexedConnection>, Failure> {
        let servers = self.clients.iter().map(async |client| {
            let mut server = client.get_multiplexed_async_connection().await?;
            self.release.load_async(&mut server).await?;
            Ok::<_, Failure>(server)
        });
        try_join_all(servers).await
    }

    /// To acquire, and to release.
    pub(super) fn commands(&self, resource: &str) -> (Cmd, Cmd) {
        let (token, ttl) = (token(), TTL.as_millis() as u64);
        let (mut set, mut release) = (command(resource), command(resource));
        set.arg("SET").arg(resource).arg(&token).arg("NX").arg("PX").arg(ttl);
        release.arg("EVALSHA").arg(self.release.get_hash()).arg(1).arg(resource).arg(&token);
        (set, release)
    }
}

#[async_trait]
impl LockClient for ByHand {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let servers = self.servers.get_or_try_init(|| self.way.connect()).await?;
        let (set, release) = self.way.commands(resource);
        let set = &set;
        let answers = servers.iter().cloned().map(|mut server| async move {
            set.query_async::<bool>(&mut server).await.unwrap_or(false)
        });
        if !majority(answers).await {
            return Err(REFUSED.into());
        }
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
