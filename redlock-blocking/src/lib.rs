#![doc = include_str!("../README.md")]

mod compute;
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
pub use guard::{Guard, ReentrantGuard};
pub use listing::{Listing, ListingError};
pub use lock::{Lock, Reentrant};
pub use loss::LossSignal;
pub use redlock::Redlock;
pub use start::StartError;
#[cfg(feature = "redis-rs")]
pub use start::connect;
