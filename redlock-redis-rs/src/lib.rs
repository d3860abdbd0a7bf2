//! Redis and Valkey servers as nodes of redlocks, through the [`redis`] crate.
//!
//! Most programs want the facade crate `redlocks`, which builds these nodes from urls. This crate
//! is for those who bring a client or a connection of their own, or set timeouts per node.
//!
//! ```no_run
//! use redlock_redis_rs::RedisNode;
//!
//! // Three servers that know nothing of each other. Nothing connects before it is needed.
//! let nodes = RedisNode::open_all(["redis://a:6379", "redis://b:6379", "redis://c:6379"])?;
//! # Ok::<(), redlock_redis_rs::UrlError>(())
//! ```
//!
//! # Features
//!
//! * `tls`: `rediss://`, by rustls with ring. Without it such a url is refused.
//!
//! # Guarantees and limits
//!
//! * One multiplexed connection per node, made at the first call. An outage costs the votes of the
//!   node while it lasts; the first call after a server's return connects again. Over TLS, and for
//!   connections that were brought along, the first call after a restart may be what finds out
//!   that the connection has ended, and fail.
//! * A command is sent at most once. An uncontended acquire is one plain `SET`; what it takes to
//!   tell *who* holds a resource is asked only after a refusal.
//! * Calls for one token are carried out in the order in which they were made, as long as the
//!   connection lasts. Once it was replaced, what was still under way on the old one may be
//!   carried out after what is sent on the new one.
//! * It needs `+set +get +del +pttl +pexpire +eval +evalsha` on the keys. With `+info` as well two
//!   nodes that are one server are found out; with `+script|load` the scripts are there beforehand.

mod attempt;
mod config;
mod connection;
mod dial;
mod error;
mod introduction;
mod link;
mod lock_node;
mod node;
mod url;

pub use redis;

pub use self::{node::RedisNode, url::UrlError};
