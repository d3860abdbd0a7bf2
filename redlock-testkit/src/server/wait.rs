use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Server, ServerError};

/// Asks again and again until the servers are what they are to be together.
pub(super) fn until<'a, T>(
    servers: impl IntoIterator<Item = &'a Server>,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T, ServerError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(ServerError::NotAgreed {
                ports: servers.into_iter().map(Server::port).collect(),
                patience: PATIENCE,
                what: what.to_owned(),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// An election that was split is held again after seconds, and on a loaded machine so is the next.
const PATIENCE: Duration = Duration::from_secs(60);
