//! Listing locks and resetting them.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/survey.rs"]
mod every_adapter;
