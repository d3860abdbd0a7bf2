//! redis-rs alone, in as few lines as will do: over one multiplexed connection for each server, and
//! one that hears of releases.

use std::{num::NonZeroU64, process, time::Duration};

use futures::{
    StreamExt,
    future::{join_all, try_join_all},
    stream::{BoxStream, FuturesUnordered, select_all},
};
use redis::{Script, aio::MultiplexedConnection};
use redlocks::async_trait;
use tokio::{
    sync::{Mutex, OnceCell},
    time::timeout,
};

use super::super::{Held, LockClient};
use crate::{Failure, clock::Instant};

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let clients = urls.iter().map(|url| redis::Client::open(url.as_str()));
    Ok(Box::new(Raw {
        clients: clients.collect::<Result<_, _>>()?,
        connections: OnceCell::new(),
        releases: Mutex::default(),
    }))
}

struct Raw {
    clients: Vec<redis::Client>,
    connections: OnceCell<Vec<MultiplexedConnection>>,
    /// The one resource that somebody waits for, and word of its releases.
    releases: Mutex<Option<(String, BoxStream<'static, ()>)>>,
}

struct RawLock {
    connections: Vec<MultiplexedConnection>,
    resource: String,
    token: String,
}

impl Raw {
    async fn try_acquire(&self, resource: &str) -> Result<Option<RawLock>, Failure> {
        let connect = || {
            let clients = self.clients.iter();
            try_join_all(clients.map(redis::Client::get_multiplexed_async_connection))
        };
        let connections = self.connections.get_or_try_init(connect).await?;
        let token = format!("{}-{:?}", process::id(), Instant::now());
        let asked = connections.iter().cloned().map(|mut connection| {
            let mut set = redis::cmd("SET");
            set.arg(resource).arg(&token).arg("NX").arg("PX").arg(TTL.get());
            async move { set.query_async::<bool>(&mut connection).await.unwrap_or(false) }
        });
        let asked: FuturesUnordered<_> = asked.collect();
        let quorum = connections.len() / 2 + 1;
        let granted = asked.filter(|granted| std::future::ready(*granted)).take(quorum).count();
        let granted = granted.await;
        let (connections, resource) = (connections.clone(), resource.to_owned());
        let lock = RawLock { connections, resource, token };
        if granted < quorum {
            lock.give_up(true).await;
            return Ok(None);
        }
        Ok(Some(lock))
    }

    /// Waits for word of a release, from any server.
    async fn told(&self, resource: &str) -> Result<(), Failure> {
        let mut releases = self.releases.lock().await;
        match &mut *releases {
            Some((of, word)) if of == resource => {
                // Should word be lost, it looks again.
                let _ = timeout(Duration::from_secs(1), word.next()).await;
            }
            other => {
                let words = self.clients.iter().map(async |client| {
                    let mut pubsub = client.get_async_pubsub().await?;
                    pubsub.subscribe(resource).await?;
                    Ok::<_, redis::RedisError>(pubsub.into_on_message().map(drop).boxed())
                });
                let words = select_all(try_join_all(words).await?).boxed();
                *other = Some((resource.to_owned(), words));
            }
        }
        Ok(())
    }
}

impl RawLock {
    async fn give_up(&self, everywhere: bool) {
        let script = Script::new(RELEASE);
        let asked = self.connections.iter().cloned().map(|mut connection| {
            let mut release = script.key(&self.resource);
            release.arg(&self.token);
            async move { release.invoke_async::<i64>(&mut connection).await.is_ok() }
        });
        if everywhere {
            join_all(asked).await;
            return;
        }
        let quorum = self.connections.len() / 2 + 1;
        let asked: FuturesUnordered<_> = asked.collect();
        asked.take(quorum).count().await;
    }
}

#[async_trait]
impl LockClient for Raw {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        loop {
            if let Some(lock) = self.try_acquire(resource).await? {
                return Ok(Box::new(lock));
            }
            self.told(resource).await?;
        }
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for RawLock {
    async fn release(self: Box<Self>) -> bool {
        self.give_up(false).await;
        true
    }
}

/// That of ours, in milliseconds.
const TTL: NonZeroU64 = NonZeroU64::new(10_000).unwrap();

const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PUBLISH', KEYS[1], '')
  return redis.call('DEL', KEYS[1])
end
return 0";
