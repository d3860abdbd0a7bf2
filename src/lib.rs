#![doc = include_str!("../README.md")]

#[doc = include_str!("../docs/algorithm.md")]
pub mod algorithm {}

#[doc = include_str!("../docs/caching.md")]
pub mod caching {}

#[doc = include_str!("../docs/fencing.md")]
pub mod fencing {}

#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("../docs/holding.md")]
pub mod holding {}

#[doc = include_str!("../docs/observing.md")]
pub mod observing {}
#[doc = include_str!("../docs/operating.md")]
pub mod operating {}

#[doc = include_str!("../docs/speed.md")]
pub mod speed {}
#[doc = include_str!("../docs/waiting.md")]
pub mod waiting {}

#[doc = include_str!("../docs/simulation.md")]
pub mod simulation {}

#[cfg(feature = "testkit")]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[cfg(feature = "conformance")]
#[doc = include_str!("../docs/writing-an-adapter.md")]
pub mod writing_an_adapter {}

#[cfg(feature = "blocking")]
pub mod blocking;

pub use redlock_core::*;
/// Nodes over the `fred` client.
#[cfg(feature = "fred")]
pub use redlock_fred as fred;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub use redlock_observe::*;
/// Nodes over the `redis` crate.
#[cfg(feature = "redis-rs")]
pub use redlock_redis_rs as redis_rs;
#[cfg(feature = "redis-rs")]
pub use redlock_redis_rs::{ConnectError, connect};
/// In-memory and fault-injecting nodes, for tests that take milliseconds.
#[cfg(feature = "testkit")]
pub use redlock_testkit as testkit;
