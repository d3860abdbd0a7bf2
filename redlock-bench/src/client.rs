//! What is measured: [`LockClient`], one module for each.

mod deaf;
mod memory;
mod ours;
mod raw;
#[cfg(feature = "peers")]
mod rslock;

use redlocks::async_trait;
use serde::{Deserialize, Serialize};

pub(crate) use self::memory::over_memory;
use crate::Failure;

/// A client that locks resources, made once in each process.
#[async_trait]
pub(crate) trait LockClient: Send + Sync {
    /// Waits for the lock of this resource, for as long as it takes.
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure>;

    /// Waits until nothing goes on in the background any more.
    async fn settled(&self);
}

/// A lock that is held.
#[async_trait]
pub(crate) trait Held: Send {
    /// Gives it up. Completes as soon as the client's own call for that does.
    async fn release(self: Box<Self>);
}

/// The clients that go over servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// This project's, over redis-rs, with its settings as they are by default.
    Ours,
    /// The same over fred.
    Fred,
    /// Over redis-rs with nodes that tell nobody of releases, and with pauses of 0 to 200 ms.
    Polling,
    /// redis-rs alone, by hand: what nobody can be much faster than who goes over redis-rs.
    Raw,
    /// `rslock`, which looks again after a random time of up to 200 ms.
    #[cfg(feature = "peers")]
    Rslock,
}

impl Kind {
    /// Libraries that one would use, and one without a feature that counts.
    pub(crate) const LIBRARIES: &[Self] = &[
        Self::Ours,
        Self::Fred,
        Self::Polling,
        #[cfg(feature = "peers")]
        Self::Rslock,
    ];

    /// As tables call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "redlocks, redis-rs",
            Self::Fred => "redlocks, fred",
            Self::Polling => "redlocks, redis-rs, polling at 0–200 ms",
            Self::Raw => "redis-rs by hand",
            #[cfg(feature = "peers")]
            Self::Rslock => "rslock",
        }
    }

    /// Whether it is one of ours as it is meant to be used: what the goals are about.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Fred)
    }

    /// Whether it is told of releases.
    pub(crate) const fn is_told(self) -> bool {
        matches!(self, Self::Ours | Self::Fred | Self::Raw)
    }

    /// The client over the servers at these urls. Connects when first used.
    pub(crate) fn client(self, urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
        match self {
            Self::Ours => ours::over_redis_rs(urls),
            Self::Fred => ours::over_fred(urls),
            Self::Polling => ours::polling(urls),
            Self::Raw => raw::client(urls),
            #[cfg(feature = "peers")]
            Self::Rslock => Ok(rslock::client(urls)),
        }
    }
}
