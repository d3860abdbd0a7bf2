//! The lock on nodes in memory, in tokio's paused time: the driver against every way to end, hold,
//! wait and be misused.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

mod agreement;
mod bad_input;
mod caching;
mod cancelled;
mod clean_up;
mod custom;
mod endings;
mod fencing;
mod holding;
mod listening;
mod naming;
mod observing;
mod queueing;
mod races;
mod reentrant;
mod renewing;
mod resetting;
mod running;
mod runtimes;
mod sets;
mod support;
mod surveying;
mod truths;
mod turns;
mod waiting;
mod warnings;
