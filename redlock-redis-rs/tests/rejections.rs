//! What a server that will not, and what is no Redis server at all, means for a lock.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/rejections.rs"]
mod every_adapter;
