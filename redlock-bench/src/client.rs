//! What is measured: [`LockClient`], one module for each.

mod by_hand;
mod deaf;
mod idle;
mod memory;
mod ours;
#[cfg(feature = "peers")]
mod peers;

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

    /// Acquires and releases; says whether the client has reported success. Nobody else may want
    /// the lock.
    ///
    /// To be written where a client has no acquire of its own.
    async fn pair(&self, resource: &str) -> Result<bool, Failure> {
        Ok(self.acquire(resource).await?.release().await)
    }

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
    /// The same over pools of deadpool-redis.
    Deadpool,
    /// Over nodes in the memory of this process, as many as there would be servers.
    Memory,
    /// Nothing, by acquire and release: what it costs to call a client here.
    Idle,
    /// Nothing, by pairs.
    IdlePair,
    /// redis-rs alone, by hand, without waiting for anybody: what all are compared with.
    ByHand,
    /// The same, with what many tasks ask of one server sent together.
    Pipelined,
    /// The same as by hand in fewer lines, and told of releases.
    Listening,
    /// fred alone, by hand.
    FredByHand,
    /// deadpool-redis alone, by hand.
    DeadpoolByHand,
    /// `rslock`, which looks again after a random time of up to 200 ms.
    #[cfg(feature = "peers")]
    Rslock,
    /// `distributed-lock-redis`.
    #[cfg(feature = "peers")]
    DistributedLock,
    /// `redis-lock`.
    #[cfg(feature = "peers")]
    RedisLock,
    /// `redlock`, which blocks the thread that calls it.
    #[cfg(feature = "peers")]
    Redlock,
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
    pub(crate) const UNCONTENDED: &[Self] = &[
        Self::ByHand,
        Self::Pipelined,
        Self::Ours,
        Self::FredByHand,
        Self::Fred,
        Self::DeadpoolByHand,
        Self::Deadpool,
        Self::Memory,
        #[cfg(feature = "peers")]
        Self::Rslock,
        #[cfg(feature = "peers")]
        Self::DistributedLock,
        #[cfg(feature = "peers")]
        Self::RedisLock,
        #[cfg(feature = "peers")]
        Self::Redlock,
    ];

    /// As tables call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "redlocks, redis-rs",
            Self::Fred => "redlocks, fred",
            Self::Deadpool => "redlocks, deadpool",
            Self::Idle => "nothing",
            Self::IdlePair => "nothing, in pairs",
            Self::Memory => "redlocks, nodes in memory",
            Self::Polling => "redlocks, redis-rs, polling at 0–200 ms",
            Self::ByHand => "redis-rs by hand",
            Self::Pipelined => "redis-rs by hand, in pipelines",
            Self::Listening => "redis-rs by hand, listening",
            Self::FredByHand => "fred by hand",
            Self::DeadpoolByHand => "deadpool-redis by hand",
            #[cfg(feature = "peers")]
            Self::Rslock => "rslock",
            #[cfg(feature = "peers")]
            Self::DistributedLock => "distributed-lock-redis",
            #[cfg(feature = "peers")]
            Self::RedisLock => "redis-lock",
            #[cfg(feature = "peers")]
            Self::Redlock => "redlock (blocking)",
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
        if matches!(self, Self::Memory | Self::Idle | Self::IdlePair) { &[] } else { all }
    }

    /// Whether its calls block the thread, so that each task needs one.
    pub(crate) const fn blocks(self) -> bool {
        #[cfg(feature = "peers")]
        return matches!(self, Self::Redlock);
        #[cfg(not(feature = "peers"))]
        false
    }

    /// Whether it has an acquire and a release, not only pairs.
    pub(crate) const fn has_acquire(self) -> bool {
        #[cfg(feature = "peers")]
        if matches!(self, Self::RedisLock | Self::Redlock) {
            return false;
        }
        !matches!(self, Self::IdlePair)
    }

    /// What somebody writes by hand over the same library.
    pub(crate) const fn by_hand(self) -> Option<Self> {
        match self {
            Self::Ours => Some(Self::ByHand),
            Self::Fred => Some(Self::FredByHand),
            Self::Deadpool => Some(Self::DeadpoolByHand),
            _ => None,
        }
    }

    /// The client over the servers at these urls. Connects when first used.
    pub(crate) fn client(self, urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
        match self {
            Self::Ours => ours::over_redis_rs(urls),
            Self::Fred => ours::over_fred(urls),
            Self::Polling => ours::polling(urls),
            Self::Deadpool => ours::over_deadpool(urls),
            Self::Memory => over_memory(urls.len()),
            Self::Idle => Ok(Box::new(idle::Idle)),
            Self::IdlePair => Ok(Box::new(idle::IdlePair)),
            Self::ByHand => by_hand::over_redis_rs(urls),
            Self::Pipelined => by_hand::pipelined(urls),
            Self::FredByHand => by_hand::over_fred(urls),
            Self::DeadpoolByHand => by_hand::over_deadpool(urls),
            Self::Listening => by_hand::listening(urls),
            #[cfg(feature = "peers")]
            Self::Rslock => Ok(peers::rslock(urls)),
            #[cfg(feature = "peers")]
            Self::DistributedLock => Ok(peers::distributed_lock(urls)),
            #[cfg(feature = "peers")]
            Self::RedisLock => peers::redis_lock(urls),
            #[cfg(feature = "peers")]
            Self::Redlock => Ok(peers::redlock(urls)),
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
