//! `FredNode` on real servers: what every adapter is put through, and what is its own.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

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
mod fitness;
mod guests;
mod notifications;
mod outages;
mod proxied;
mod rejections;
mod scripted;
#[cfg(feature = "sentinel")]
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod topologies;
mod urls;

use redlock_fred::{Durability, FredCache as Store};
