//! A server as a cache of computed values.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/cache.rs"]
mod every_adapter;

use redlock_redis_rs::RedisCache as Store;
