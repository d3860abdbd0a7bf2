//! The lock on real servers, that the tests start and end themselves.

#![cfg(feature = "redis-rs")]
#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

mod blocking;
mod examples;
mod fences;
mod fleet;
mod forgetful;
mod history;
mod holding;
mod neighbours;
mod outages;
mod proxied;
mod sets;
mod soak;
mod support;
