use std::fmt;

use super::error::Error;
use crate::cache::CacheError;

/// A value, and where it comes from. Made by [`GetOrCompute`](super::GetOrCompute).
#[derive(Clone, Debug)]
pub struct Found<T> {
    value: T,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// The cache had it, and it is fresh.
    Cached,
    /// The cache had it, and it is past its time. Somebody else is about to replace it, or nobody
    /// can at the moment.
    Stale,
    /// It was computed for this call, under the lock.
    Computed(Stored),
    /// It was computed for this call without the lock, because there was an
    /// [`Outage`](super::Outage). Others may have done the same at the same time.
    Unlocked(Stored),
}

/// What became of a value that was computed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stored {
    /// It is in the cache.
    Yes,
    /// The computation said that there is none.
    Nothing,
    /// It was not written, because the lock was lost before it was there: somebody else may have
    /// computed a newer one.
    TooLate,
    /// It could not be written, or what was there could not be read before.
    Failed(CacheError),
}

/// Why there is no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ComputeError<E> {
    /// The computation failed. The lock has been given up, and the next who waits has his try.
    Compute(E),
    /// The lock could not be had: with [`Error::TimedOut`], somebody else was computing for longer
    /// than the caller would wait.
    Lock(Error),
    /// The cache could not be read.
    Cache(CacheError),
}

impl<T> Found<T> {
    pub(super) const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, taken out.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// Where it comes from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it was computed for this call.
    #[must_use]
    pub const fn is_computed(&self) -> bool {
        matches!(self.origin, Origin::Computed(_) | Origin::Unlocked(_))
    }
}

impl<E: fmt::Display> fmt::Display for ComputeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compute(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Cache(error) => error.fmt(f),
        }
    }
}

/// Without a source: the message is that of the error inside.
impl<E: fmt::Debug + fmt::Display> std::error::Error for ComputeError<E> {}
