use redlock_core::{ConfigError, Redlock};

use crate::{RedisNode, UrlError};

/// A redlock over the Redis servers at these URLs, with the default settings.
///
/// Nothing is connected yet: a server that is down costs its vote, and has it again when it is
/// back. For other settings, give the nodes of [`RedisNode::open_all`] to [`Redlock::builder`].
///
/// The runtime is tokio's, by the feature `tokio` of `redlock-core`, which the facade switches on.
///
/// # Errors
///
/// [`ConnectError`] for a URL that cannot be one, which does not show it, for no URL at all, and for a
/// server that is named twice.
pub fn connect<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Redlock, ConnectError> {
    Ok(Redlock::builder().nodes(RedisNode::open_all(urls)?).build()?)
}

/// Why [`connect`] could not make a redlock. No server was asked. There is nothing else it could be,
/// so this is complete.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The servers cannot make a redlock.
    #[error(transparent)]
    Config(#[from] ConfigError),
}
