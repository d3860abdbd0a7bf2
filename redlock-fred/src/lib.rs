#![doc = include_str!("../README.md")]

mod attempt;
mod cache;
mod config;
mod error;
mod guest;
mod introduction;
mod line;
mod link;
mod listeners;
mod listening;
mod lock_node;
mod masters;
mod node;
mod notifications;
mod replaced;
mod slots;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
mod topologies;
mod url;

pub use fred;
pub use redlock_wire::{Durability, UrlError, UrlProblem};

pub use self::{cache::FredCache, config::ConfigError, node::FredNode};
