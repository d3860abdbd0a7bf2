//! `RedisNode` on real servers: what every adapter is put through, and what is its own.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[cfg(feature = "cluster")]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod contract;
#[path = "../../../redlock-wire/tests/adapters"]
mod every_adapter {
    mod agreement;
    mod cache;
    #[cfg(feature = "cluster")]
    pub(crate) mod cluster;
    mod durability;
    mod extremes;
    mod fencing;
    mod fitness;
    mod notifications;
    mod one_connection;
    mod outages;
    mod quarantine;
    mod rejections;
    mod secrets;
    mod sizes;
    mod survey;
    mod urls;
    mod witness;
}
mod extremes;
mod notifications;
mod outages;
mod proxied;
#[cfg(feature = "python-redis-lock")]
mod python_lock;
#[cfg(feature = "sentinel")]
mod sentinel;
mod survey;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod urls;

use redlock_redis_rs::{Durability, RedisCache as Store};
