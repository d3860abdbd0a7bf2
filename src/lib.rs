#![doc = include_str!("../README.md")]

pub use redlock_core::*;

/// Nodes over the `redis` crate.
#[cfg(feature = "redis-rs")]
pub use redlock_redis_rs as redis_rs;

/// In-memory and fault-injecting nodes, for tests that take milliseconds.
#[cfg(feature = "testkit")]
pub use redlock_testkit as testkit;

/// A redlock over the Redis servers at these URLs, with the default settings; with none, over the
/// one at `redis://127.0.0.1:6379/0`.
///
/// Nothing is connected yet: a server that is down costs its vote, and has it again when it is
/// back.
///
/// # Errors
///
/// [`OpenError`](redis_rs::OpenError) for a URL that cannot be one, which does not show its
/// password, and for settings that cannot go together.
#[cfg(feature = "redis-rs")]
pub fn connect<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
) -> Result<Redlock, redis_rs::OpenError> {
    let mut nodes = redis_rs::RedisNode::open_all(urls)?;
    if nodes.is_empty() {
        nodes.push(redis_rs::RedisNode::default());
    }
    Ok(Redlock::builder().nodes(nodes).build()?)
}
