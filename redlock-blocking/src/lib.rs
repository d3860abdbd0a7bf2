#![doc = include_str!("../README.md")]

mod compute;
#[cfg(feature = "redis-rs")]
mod connect;
mod guard;
mod listing;
mod lock;
mod loss;
mod redlock;
mod settings;
mod start;
mod survey;
mod thread;

pub use compute::GetOrCompute;
#[cfg(feature = "redis-rs")]
pub use connect::connect;
pub use guard::{Guard, ReentrantGuard};
pub use listing::{Listing, ListingError};
pub use lock::{Lock, Reentrant};
pub use loss::LossSignal;
pub use redlock::Redlock;
pub use start::StartError;
