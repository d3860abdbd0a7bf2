//! The tests of the lock on real servers once more, over five nodes of which each is of another
//! kind: a pool, fred, redis-rs, and both with RESP3.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

#[path = "../servers/caching.rs"]
mod caching;
#[path = "../servers/fleet.rs"]
mod fleet;
#[path = "../servers/history.rs"]
mod history;
#[path = "../servers/holding.rs"]
mod holding;
#[path = "../servers/neighbours.rs"]
mod neighbours;
#[path = "../servers/outages.rs"]
mod outages;
#[path = "../servers/proxied.rs"]
mod proxied;
#[path = "../servers/soak.rs"]
mod soak;
mod support;
