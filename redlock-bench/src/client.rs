//! What is measured: [`LockClient`], one module for each.

mod by_hand;
mod deaf;
mod memory;
mod ours;
#[cfg(feature = "peers")]
mod rslock;

use std::time::Duration;

use redlock_testkit::server::Server;
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
    /// Gives it up. Completes as soon as the client's own call for that does, and says whether
    /// that has reported success; a client that reports nothing has had it.
    async fn release(self: Box<Self>) -> bool;
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
    /// redis-rs alone, by hand, without waiting for anybody: what all are compared with.
    ByHand,
    /// The same in fewer lines, and told of releases.
    Listening,
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

    /// Who takes part where nobody waits for anybody.
    pub(crate) const UNCONTENDED: &[Self] = &[Self::ByHand, Self::Ours];

    /// As tables call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "redlocks, redis-rs",
            Self::Fred => "redlocks, fred",
            Self::Polling => "redlocks, redis-rs, polling at 0–200 ms",
            Self::ByHand => "redis-rs by hand",
            Self::Listening => "redis-rs by hand, listening",
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
        matches!(self, Self::Ours | Self::Fred | Self::Listening)
    }

    /// Those of a topology that it talks to.
    pub(crate) const fn servers(self, all: &[Server]) -> &[Server] {
        all
    }

    /// The client over the servers at these urls. Connects when first used.
    pub(crate) fn client(self, urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
        match self {
            Self::Ours => ours::over_redis_rs(urls),
            Self::Fred => ours::over_fred(urls),
            Self::Polling => ours::polling(urls),
            Self::ByHand => by_hand::over_redis_rs(urls),
            Self::Listening => by_hand::listening(urls),
            #[cfg(feature = "peers")]
            Self::Rslock => Ok(rslock::client(urls)),
        }
    }
}

/// Of every client that can be told: the default of this project's.
const TTL: Duration = Duration::from_secs(10);

/// As in the documentation of Redis.
const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0";
