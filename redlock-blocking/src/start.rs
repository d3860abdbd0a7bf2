use std::io;

use redlock_core::ConfigError;
#[cfg(feature = "redis-rs")]
use redlock_redis_rs::ConnectError;

/// Why there is no blocking redlock. No node was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting, or a pair of settings, cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A URL cannot be used.
    #[cfg(feature = "redis-rs")]
    #[error(transparent)]
    Url(redlock_redis_rs::UrlError),
    /// The operating system gave no thread, or nothing to wait for connections with.
    #[error("the background thread of a redlock could not be started: {0}")]
    Thread(#[source] io::Error),
}

#[cfg(feature = "redis-rs")]
impl From<ConnectError> for StartError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Url(error) => Self::Url(error),
            ConnectError::Config(error) => Self::Config(error),
        }
    }
}
