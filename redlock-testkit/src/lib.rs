//! What tests of distributed locks need.

#[cfg(feature = "server")]
pub mod server;
