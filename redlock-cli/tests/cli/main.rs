//! The `redlock` command, as it is run: real servers, real processes.

mod locks;
#[cfg(unix)]
mod lost;
#[cfg(unix)]
mod running;
mod support;
