//! fred alone: one client for each server, which multiplexes by itself.

use fred::{
    clients::Client,
    interfaces::{ClientLike, KeysInterface, LuaInterface},
    types::{
        Expiration, SetOptions,
        config::{Config, ConnectionConfig, TcpConfig},
    },
};
use futures::future::try_join_all;
use redis::Script;
use redlocks::async_trait;
use tokio::sync::OnceCell;

use super::{
    super::{Held, LockClient, RELEASE, TTL},
    REFUSED, majority, token,
};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let configs = urls.iter().map(|url| Config::from_url(url));
    Ok(Box::new(ByHand {
        configs: configs.collect::<Result<_, _>>()?,
        servers: OnceCell::new(),
        release: Script::new(RELEASE).get_hash().to_owned(),
    }))
}

struct ByHand {
    configs: Vec<Config>,
    servers: OnceCell<Vec<Client>>,
    release: String,
}

struct HeldLock {
    servers: Vec<Client>,
    release: String,
    resource: String,
    token: [u8; 20],
}

impl ByHand {
    async fn connect(&self) -> Result<Vec<Client>, Failure> {
        let servers = self.configs.iter().map(async |config| {
            let tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            let connection = ConnectionConfig { tcp, ..ConnectionConfig::default() };
            let client = Client::new(config.clone(), None, Some(connection), None);
            client.init().await?;
            client.script_load::<String, _>(RELEASE).await?;
            Ok::<_, Failure>(client)
        });
        try_join_all(servers).await
    }
}

#[async_trait]
impl LockClient for ByHand {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let servers = self.servers.get_or_try_init(|| self.connect()).await?;
        let token = token();
        let answers = servers.iter().cloned().map(|server| async move {
            let life = Some(Expiration::PX(TTL.as_millis() as i64));
            let answer: Result<Option<String>, _> =
                server.set(resource, &token[..], life, Some(SetOptions::NX), false).await;
            matches!(answer, Ok(Some(_)))
        });
        if !majority(answers).await {
            return Err(REFUSED.into());
        }
        let (servers, release) = (servers.clone(), self.release.clone());
        Ok(Box::new(HeldLock { servers, release, resource: resource.to_owned(), token }))
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        let Self { servers, release, resource, token } = *self;
        let (release, resource, token) = (release.as_str(), resource.as_str(), &token[..]);
        let answers = servers.into_iter().map(|server| async move {
            let answer: Result<bool, _> = server.evalsha(release, resource, token).await;
            answer.unwrap_or(false)
        });
        majority(answers).await
    }
}
