//! What all Redis adapters of redlocks have in common, without a client library.
//!
//! A crate of its own so that the scripts live once: core knows no Redis, and an adapter for one
//! client library must not bring another one along.
//!
//! * [`Script`]: what a node runs atomically, and how to read what it answers.
//! * [`failure`]: what an error of the server means for a lock.
//! * [`run_id`]: who the server is.

mod failure;
mod identity;
mod script;

pub use self::{failure::failure, identity::run_id, script::Script};
