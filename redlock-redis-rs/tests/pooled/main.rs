//! `PooledNode` on real servers: what every adapter is put through, and what is its own.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;
#[path = "../../../redlock-wire/tests/adapters"]
mod every_adapter {
    mod agreement;
    mod durability;
    mod fencing;
    mod notifications;
    mod outages;
    mod quarantine;
    mod survey;
    mod urls;
    mod witness;
}
mod extremes;
mod gate;
mod notifications;
mod pool;
mod proxied;

use redlock_redis_rs::Durability;
