//! redis-rs alone, as well as it can be done by hand: what all others are compared with.
//!
//! One multiplexed connection for each server, all of them asked at once from one task; it goes on
//! with the majority's answer and drops what comes later. The script is loaded beforehand and each
//! command is written down once for all servers. What it does not do: it waits for nobody, and
//! gives up no lock that it did not get.

use std::future::{Future, ready};

use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use rand::Rng;
use redis::{Client, IntoConnectionInfo, Script, aio::MultiplexedConnection, io::tcp::TcpSettings};
use redlocks::async_trait;
use tokio::sync::OnceCell;

use super::super::{Held, LockClient, RELEASE, TTL};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let clients = urls.iter().map(|url| {
        let settings = TcpSettings::default().set_nodelay(true);
        Client::open(url.as_str().into_connection_info()?.set_tcp_settings(settings))
    });
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
    release: redis::Cmd,
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
        let mut set = redis::cmd("SET");
        set.arg(resource).arg(&token).arg("NX").arg("PX").arg(TTL.as_millis() as u64);
        let set = &set;
        let answers = servers.iter().cloned().map(|mut server| async move {
            set.query_async::<bool>(&mut server).await.unwrap_or(false)
        });
        if !majority(answers).await {
            return Err("a majority of the servers did not grant the lock".into());
        }
        let mut release = redis::cmd("EVALSHA");
        release.arg(self.release.get_hash()).arg(1).arg(resource).arg(&token);
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

/// Whether a majority says yes. It is known with the answer that decides it.
pub(super) async fn majority(answers: impl Iterator<Item: Future<Output = bool>>) -> bool {
    let answers: FuturesUnordered<_> = answers.collect();
    let quorum = answers.len() / 2 + 1;
    let granted = answers.filter(|granted| ready(*granted)).take(quorum).count().await;
    granted == quorum
}

pub(super) fn token() -> [u8; 20] {
    let mut token = [0; 20];
    rand::rng().fill_bytes(&mut token);
    token
}
