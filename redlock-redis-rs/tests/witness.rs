//! What nodes notice of their servers.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/witness.rs"]
mod every_adapter;
