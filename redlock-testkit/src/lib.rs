#![doc = include_str!("../README.md")]

mod cache;
mod clock;
mod command;
#[cfg(feature = "conformance")]
pub mod conformance;
mod faulty;
mod history;
mod inbox;
mod memory;
#[cfg(feature = "mock")]
mod mock;
#[cfg(feature = "server")]
pub mod outages;
mod port;
mod random;
#[cfg(feature = "server")]
pub mod server;
mod sim;
mod store;

pub use cache::{CacheFault, MemoryCache};
pub use command::Operation;
pub use faulty::{Chances, Fault, FaultyNode};
pub use history::{Anomaly, Grant, History, Hold, HoldRecord, Outcome, Update, Write};
pub use memory::{CallCounts, Key, MemoryNode};
#[cfg(feature = "mock")]
pub use mock::MockLockNode;
pub use random::SimRandom;
pub use sim::{Network, SimClient, SimCluster, SimLink, SimRuntime};
