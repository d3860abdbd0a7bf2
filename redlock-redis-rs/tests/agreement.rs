//! What clients agree on.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/agreement.rs"]
mod every_adapter;
