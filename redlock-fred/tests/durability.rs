//! Votes that count only when they have reached replicas.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/durability.rs"]
mod every_adapter;

use redlock_fred::Durability;
