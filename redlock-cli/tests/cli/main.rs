//! The `redlock` command, as it is run: real servers, real processes.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod doctor;
#[cfg(unix)]
mod documented;
mod fake;
mod locks;
#[cfg(unix)]
mod lost;
mod operating;
#[cfg(unix)]
mod running;
#[cfg(unix)]
mod session;
mod support;
