//! The port to where computed values are kept: [`Cache`], and what goes over it.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::proto::{Age, Freshness};

/// A store of values that may be lost at any time: a Redis server, a map.
///
/// What [`get_or_compute`](crate::Redlock::get_or_compute) keeps its values in. It needs no more
/// from it than that what is read was once written under that key.
///
/// # Contract
///
/// * [`write`](Self::write) replaces what there is, and is there for whoever reads when it has
///   completed.
/// * The cache counts both lifetimes of a value **by its own clock**, so that all who read it agree
///   on its [`Age`]. What is past both is not there.
/// * It may lose any value at any time, but never returns half of one, or one of another key.
/// * Keys are arbitrary text, values arbitrary bytes.
/// * **Dropping the future** of a call leaves the cache usable.
#[async_trait]
pub trait Cache: fmt::Debug + Send + Sync + 'static {
    /// The value under this key, if there is one.
    ///
    /// # Errors
    ///
    /// [`CacheError`] if the cache did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    async fn read(&self, key: &str) -> Result<Option<Cached>, CacheError>;

    /// Keeps this value under this key, for these lifetimes from now.
    ///
    /// # Errors
    ///
    /// [`CacheError`] if the cache did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn write(&self, key: &str, value: &[u8], freshness: Freshness) -> Result<(), CacheError>;
}

/// What a cache has under a key.
///
/// `Debug` shows how long the value is, and nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cached {
    /// What was written.
    pub value: Vec<u8>,
    /// What it is good for.
    pub age: Age,
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({} bytes, {:?})", self.value.len(), self.age)
    }
}

/// Why a cache could not be read or written. Never about a lock.
///
/// Without a source: the message has the reason already.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the cache failed: {why}")]
pub struct CacheError {
    why: Arc<dyn Error + Send + Sync>,
}

impl CacheError {
    /// A failure for this reason, in whose words there must be no credentials.
    #[must_use]
    pub fn new(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { why: Arc::from(why.into()) }
    }

    /// No answer came within this time.
    #[must_use]
    pub fn timed_out(after: Duration) -> Self {
        Self::new(format!("no answer within {after:?}"))
    }

    /// The reason: to be looked into, or downcast. The adapters of this project give a
    /// [`NodeError`](crate::NodeError).
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.why
    }
}

/// What can be kept in a [`Cache`], which knows nothing but bytes.
///
/// ```
/// use redlock_core::Cacheable;
///
/// struct Price(u64);
///
/// impl Cacheable for Price {
///     type Error = std::num::ParseIntError;
///
///     fn to_bytes(&self) -> Result<Vec<u8>, Self::Error> {
///         Ok(self.0.to_string().into_bytes())
///     }
///
///     fn from_bytes(bytes: Vec<u8>) -> Result<Self, Self::Error> {
///         String::from_utf8_lossy(&bytes).parse().map(Self)
///     }
/// }
/// ```
pub trait Cacheable: Sized {
    /// Why it cannot be made into bytes, or out of them.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// The bytes to keep.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being written down. It is then not stored.
    fn to_bytes(&self) -> Result<Vec<u8>, Self::Error>;

    /// The value of which these are the bytes.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read, such as that another version of the program has written
    /// it. It is then as if nothing were there, and computed anew.
    fn from_bytes(bytes: Vec<u8>) -> Result<Self, Self::Error>;
}

impl Cacheable for Vec<u8> {
    type Error = std::convert::Infallible;

    fn to_bytes(&self) -> Result<Self, Self::Error> {
        Ok(self.clone())
    }

    fn from_bytes(bytes: Self) -> Result<Self, Self::Error> {
        Ok(bytes)
    }
}

impl Cacheable for String {
    type Error = std::string::FromUtf8Error;

    fn to_bytes(&self) -> Result<Vec<u8>, Self::Error> {
        Ok(self.clone().into_bytes())
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Self::from_utf8(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_a_sentence_and_a_value_is_not_shown() {
        let refused = std::io::Error::other("connection refused");
        let error = CacheError::new(refused);
        assert_eq!(error.to_string(), "the cache failed: connection refused");
        assert!(error.cause().is::<std::io::Error>());
        let late = CacheError::timed_out(Duration::from_millis(50));
        assert_eq!(late.to_string(), "the cache failed: no answer within 50ms");
        let cached = Cached { value: b"secret".to_vec(), age: Age::Fresh };
        assert_eq!(format!("{cached:?}"), "Cached(6 bytes, Fresh)");
    }
}
