//! Real servers for tests: [`Server`] and [`Servers`], [`Sentinel`] and [`Cluster`].
//!
//! ```no_run
//! use redlock_testkit::server::Server;
//!
//! let mut server = Server::start()?;
//! server.cmd::<()>(&["SET", "key", "value"])?;
//! server.kill(); // as if the machine lost power
//! server.restart()?; // on the same port, empty
//! assert_eq!(server.cmd::<Option<String>>(&["GET", "key"])?, None);
//! # Ok::<(), redlock_testkit::server::ServerError>(())
//! ```
//!
//! A test that needs a server fails without one; it is never skipped. The binary is
//! `redis-server` on the `PATH`, or what the environment variable `REDLOCKS_SERVER` names.
//!
//! What a network does to a server, a [`Proxy`] in front of it does.

mod certificate;
mod cluster;
mod control;
mod error;
mod folder;
mod look;
mod options;
mod port;
mod process;
mod proxy;
mod sentinel;
mod servers;
mod user;
mod wait;

pub use self::{
    cluster::Cluster,
    error::ServerError,
    options::Options,
    process::Server,
    proxy::{Count, Direction, Flow, Proxy, Traffic},
    sentinel::Sentinel,
    servers::Servers,
};
