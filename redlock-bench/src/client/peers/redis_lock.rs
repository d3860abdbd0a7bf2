//! `redis-lock`, over a multiplexed connection for each server.
//!
//! It has no acquire and no release of its own, only a call with the work in it. Connections are
//! handed to it in mutexes; these are new for each call, or tasks would wait for each other.

use std::{future::ready, sync::Arc};

use futures::future::try_join_all;
use redis_for_redis_lock::{Client, aio::MultiplexedConnection};
use redis_lock::{LockAcrossOptions, lock_across};
use redlocks::async_trait;
use tokio::sync::{Mutex, OnceCell};

use super::super::{Held, LockClient, TTL};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    let clients = urls.iter().map(|url| Client::open(url.as_str()));
    let clients = clients.collect::<Result<_, _>>()?;
    Ok(Box::new(RedisLock { clients, servers: OnceCell::new() }))
}

struct RedisLock {
    clients: Vec<Client>,
    servers: OnceCell<Vec<MultiplexedConnection>>,
}

#[async_trait]
impl LockClient for RedisLock {
    async fn acquire(&self, _: &str) -> Result<Box<dyn Held>, Failure> {
        Err("redis-lock has no acquire".into())
    }

    async fn pair(&self, resource: &str) -> Result<bool, Failure> {
        let connect = || {
            let clients = self.clients.iter();
            try_join_all(clients.map(Client::get_multiplexed_async_connection))
        };
        let servers = self.servers.get_or_try_init(connect).await?;
        let servers: Vec<_> =
            servers.iter().map(|server| Arc::new(Mutex::new(server.clone()))).collect();
        let options = LockAcrossOptions { ttl: TTL, ..LockAcrossOptions::default() };
        // Its error does not go from thread to thread.
        let done = lock_across(&servers, resource, ready(()), options).await;
        done.map(|()| true).map_err(|error| error.to_string().into())
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}
