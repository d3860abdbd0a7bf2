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
//! A node need not be one server for ever: `RedisNode::sentinel` is "the current master of this
//! name", and `RedisNode::cluster` one independent cluster. Read there what a fail-over means for a
//! lock before using either.
//!
//! # Features
//!
//! * `deadpool`: `PooledNode`, a node over a pool of connections of `deadpool-redis`, which is
//!   re-exported.
//! * `sentinel`: nodes that are the master of a name, as sentinels know it.
//! * `cluster`: nodes that are a cluster.
//! * `python-redis-lock`: `PythonLockNode`, a lock that is shared with Python programs that use
//!   python-redis-lock.
//! * `tls`: `rediss://`, by rustls with ring. Without it such a url is refused.
//!
//! # Guarantees and limits
//!
//! * One multiplexed connection per node, made at the first call. An outage costs the votes of the
//!   node while it lasts; the first call after a server's return connects again. Over TLS, and for
//!   connections that were brought along, the first call after a restart may be what finds out
//!   that the connection has ended, and fail.
//! * A pooled node has one connection out of its pool at a time, for as long as calls come, and
//!   others where one lets a call wait for too long: at most the pool's size and four. Getting one
//!   out costs a round trip, the pool's own test; calls that come together, or within ten
//!   milliseconds, share it.
//! * A command is sent at most once. An uncontended acquire is one plain `SET`; what it takes to
//!   tell *who* holds a resource is asked only after a refusal.
//! * Calls for one token are carried out in the order in which they were made, as long as the
//!   connection lasts: in a pool as well, where they keep to one connection while an outcome is
//!   unknown. Once it was replaced, what was still under way on the old one may be
//!   carried out after what is sent on the new one. Each runtime that uses a `RedisNode` has a
//!   connection of its own, and between those there is no order.
//! * Only masters vote, and only servers that never throw a held lock away: whatever says at the
//!   connection that it is a replica is refused, and so is a server with a `maxmemory` and a
//!   `maxmemory-policy` other than `noeviction`, unless
//!   [`allow_eviction`](RedisNode::allow_eviction) says otherwise. A server that may not tell is
//!   taken to be fit. One that becomes a replica later is noticed by its `READONLY`, and connected
//!   to anew, as the name may lead to the new master by then; a policy that is changed later is
//!   noticed at the next connection.
//! * With RESP3 ([`resp3`](RedisNode::resp3)) it says and hears the same.
//! * It needs `+set +get +del +pttl +pexpire +eval +evalsha` on the keys. With `+info` as well two
//!   nodes that are one server are found out, and servers that must not vote; with `+script|load`
//!   the scripts are there beforehand.
//!
//! # Telling those who wait
//!
//! A release tells those who wait for the resource, on a channel of its own whose name begins with
//! `redlocks:`. Where somebody waits, the node has one connection more to listen on, shared by all
//! who do: made for the first of them, closed half a second after the last. While it is idle the
//! server is asked every five seconds whether it is still there; a late answer ends it, and so does
//! a master that the sentinels have replaced. Whoever waits then subscribes again, and looks at the
//! lock by himself.
//!
//! * It needs `+publish +subscribe +unsubscribe +pubsub|numsub`, `+ping`, and the channels
//!   `&redlocks:*`. Without any of these a release is a release all the same: without `+publish` or
//!   the channels nobody is told, without `+subscribe` or the channels nobody can listen, without
//!   `+pubsub|numsub` (Redis 6: `+pubsub`) something is published even if nobody listens.
//! * With nobody listening it costs the server about as much again as the release itself, one or two
//!   microseconds, and no message.
//! * In a cluster, any one of the servers that the node was made with is listened to, and each
//!   message goes to all servers (plain `PUBLISH`, in every version). How many hear it is
//!   then known only as far as they are connected to the master that has the key.
//! * A node from a manager, a connection or a pool that was brought along cannot listen, since
//!   those do not tell where they lead, and has no [`notifications`] at all: give it a client by
//!   [`listening_with`](RedisNode::listening_with).
//!
//! # Fencing tokens
//!
//! Every node counts the holders of a resource, for locks with
//! [fencing tokens](redlock_core::Fencing): in a key beside the resource's own and in its slot,
//! `redlocks:fence:{name}`, which [outlives](RedisNode::counter_retention) it by a week. A counted
//! acquire is one script and one round trip, also if it is refused.
//!
//! * It needs Redis 3.2 or newer, or Valkey; `+time`, and the keys `~redlocks:fence*`. Counts are exact
//!   up to 2⁵³ − 1; at the end nothing is granted any more.
//! * It says until when it may be carried out, by the server's clock: what that will show when the node
//!   has stopped waiting, and a quarter of a second more. One that comes later sets nothing. So an
//!   acquire that was held up on its way leaves no key behind its release: until that is certain, a
//!   release that finds nothing is an error, and asked for again. If the clock of a server is set
//!   forward by more than that, one acquire fails for it.
//! * A counter that is lost, with all data or by somebody's `DEL`, begins anew from the clock.
//!
//! # Servers that forget
//!
//! By default a server is trusted to keep its locks when it restarts. With
//! [`restart_policy`](RedisNode::restart_policy) one that may have forgotten some does not vote
//! until those have ended. It needs Redis 3.2 or newer, `+info +time`, and the key
//! `~redlocks:epoch`; not for clusters. And with [`durable`](RedisNode::durable) a vote counts only
//! when it has reached replicas or disks: `+wait` or `+waitaof`.
//!
//! # Caches
//!
//! [`RedisCache`] keeps the values of [`get_or_compute`](redlock_core::Redlock::get_or_compute) on
//! such a server.
//!
//! [`notifications`]: redlock_core::LockNode::notifications

mod attempt;
mod cache;
mod carrier;
#[cfg(feature = "cluster")]
mod cluster;
mod config;
mod connect;
mod connection;
mod dial;
mod error;
mod hearing;
mod introduction;
mod link;
mod listening;
mod lock_node;
#[cfg(feature = "cluster")]
mod masters;
mod node;
mod outbox;
mod packing;
#[cfg(feature = "deadpool")]
mod pooled;
#[cfg(feature = "python-redis-lock")]
mod python_lock;
#[cfg(feature = "sentinel")]
mod sentinel;
mod silence;
mod subscriptions;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
mod topologies;
#[cfg(feature = "sentinel")]
mod unfound;
mod url;

#[cfg(feature = "deadpool")]
pub use deadpool_redis;
pub use redis;
pub use redlock_wire::{Durability, UrlError, UrlProblem};

#[cfg(feature = "deadpool")]
pub use self::pooled::PooledNode;
#[cfg(feature = "python-redis-lock")]
pub use self::python_lock::PythonLockNode;
pub use self::{
    cache::RedisCache,
    connect::{ConnectError, connect},
    node::RedisNode,
};
