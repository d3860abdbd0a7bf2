use std::io;

use redlock_core::ConfigError;

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

/// [`connect`](crate::connect), for code that is not async.
///
/// # Errors
///
/// Those of [`connect`](crate::connect), and [`StartError::Thread`].
#[cfg(feature = "redis-rs")]
pub fn connect<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
) -> Result<super::Redlock, StartError> {
    super::Redlock::over(crate::connect(urls)?)
}

#[cfg(feature = "redis-rs")]
impl From<crate::ConnectError> for StartError {
    fn from(error: crate::ConnectError) -> Self {
        match error {
            crate::ConnectError::Url(error) => Self::Url(error),
            crate::ConnectError::Config(error) => Self::Config(error),
        }
    }
}
