//! Votes that are counted, for fencing tokens.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/fencing.rs"]
mod every_adapter;
