//! Servers that may have forgotten locks do not vote.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/quarantine.rs"]
mod every_adapter;
