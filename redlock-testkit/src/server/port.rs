use std::{
    io,
    net::TcpListener,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::ServerError;

/// A port on which nothing listens at this moment.
///
/// Below the range from which the system takes the ports of outgoing connections: a killed
/// server's port must stay free until its restart, and a client that goes on knocking there must
/// not get connected to itself. Another process may still be quicker, so who starts a server
/// checks that the one that answers is its own.
pub(super) fn free() -> Option<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(2_654_435_761);
    (0..SPAN).find_map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(step) % SPAN;
        let port = u16::try_from(FIRST + offset).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// What it means that there is none.
pub(super) fn none_free() -> ServerError {
    ServerError::NotStarted(Arc::new(io::Error::other("no port is free")))
}

const FIRST: u32 = 20_000;
const SPAN: u32 = 12_000;
