//! Nodes of a [`Redlock`](redlock_core::Redlock) over the `fred` client.
//!
//! Nothing is in here yet. The place is kept for an adapter with the floor plan of
//! `redlock-redis-rs`: one attempt per command, its own timeout on each, and no replay after a
//! reconnect, which `fred` does unless it is told not to.
