#![doc = include_str!("../README.md")]

pub mod proto;

mod cache;
mod lock;
mod node;
mod observe;
mod random;
mod runtime;

pub use async_trait::async_trait;
pub use cache::{Cache, CacheError, Cacheable, Cached};
pub use lock::{
    Action, ComputeError, Error, Found, GetOrCompute, Guard, Lock, LossSignal, NodeReport, Origin,
    Outage, Redlock, RedlockBuilder, Reentrant, ReentrantGuard, Release, Report, Stored,
};
pub use node::{
    Announced, Fencing, Held, Identity, Inspection, LockNode, NodeError, Notifications, Sets,
    Survey,
};
pub use observe::{Observer, Warning};
pub use proto::{
    Age, Backoff, Ballot, ConfigError, Delivery, Drift, Failure, FailureKind, Fence, Fenced,
    Fingerprint, Freshness, Lease, LossReason, Moment, Notice, Quorum, Refusal, ReleaseOutcome,
    Renewal, Resource, ResourceSet, RestartPolicy, Retry, Stale, Token, Ttl, Vote,
};
pub use random::{OsRandom, Random, RandomError};
#[cfg(feature = "smol")]
pub use runtime::SmolRuntime;
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{NoRuntime, Runtime};
