//! Servers that are there, answer, and must not vote (requirements R12 and R13).
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

#[path = "../../redlock-wire/tests/adapters/fitness.rs"]
mod every_adapter;
