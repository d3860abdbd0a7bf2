#![doc = include_str!("../README.md")]

mod guard;
mod lock;
mod loss;
mod redlock;
mod start;
mod thread;

pub use guard::{Guard, ReentrantGuard};
pub use lock::{Lock, Reentrant};
pub use loss::LossSignal;
pub use redlock::Redlock;
pub use start::StartError;
#[cfg(feature = "redis-rs")]
pub use start::connect;
