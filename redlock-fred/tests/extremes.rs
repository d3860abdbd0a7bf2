//! Settings at the ends of what can be set.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/extremes.rs"]
mod every_adapter;
