//! The conformance suite of `redlock-testkit`, asked of every node of this workspace.
//!
//! Each rule is a test for each node. The table of rules and nodes:
//!
//! `cargo test --all-features --test conformance -- --nocapture report`
//!
//! Another adapter for Redis gets a module like those in `redis_rs`, and a line in `report`.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

#[path = "../../examples/custom_node.rs"]
#[expect(dead_code, reason = "its program is run by the tests of the examples")]
mod custom_node;
#[cfg(all(feature = "fred", feature = "redis-rs"))]
mod fred;
mod memory;
#[cfg(feature = "redis-rs")]
mod on_server;
#[cfg(feature = "deadpool")]
mod pooled;
#[cfg(feature = "python-redis-lock")]
mod python_lock;
#[cfg(feature = "redis-rs")]
mod redis_rs;
mod report;
mod sqlite;
