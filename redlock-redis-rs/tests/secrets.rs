//! A password is nowhere to be read.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/secrets.rs"]
mod every_adapter;
