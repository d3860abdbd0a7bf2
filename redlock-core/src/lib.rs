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
    Action, Agreement, ComputeError, Error, Found, GetOrCompute, Guard, Listed, Lock, LossSignal,
    NodeReport, NodeReset, NodeStatus, Origin, Outage, Redlock, RedlockBuilder, Reentrant,
    ReentrantGuard, Release, Report, Reset, Status, Stored,
};
pub use node::{
    Accord, Announced, ClockStep, Cursor, Fencing, Held, Identity, LockNode, NodeError,
    Notifications, Page, Sets, StepDirection, Survey, Witness,
};
pub use observe::{
    Acquired, Adopted, AttemptOutcome, Attempted, Contended, Extended, ExtendedBy, Freed, GaveUp,
    GaveUpReason, HandedOn, Healed, Lost, NodeFailed, NotExtended, Observer, Released, Waited,
    Waiting, Warning,
};
pub use proto::{
    Age, Backoff, Ballot, ConfigError, Delivery, Drift, Failure, FailureKind, Fence, Fenced,
    Fingerprint, Freshness, Inspection, Lease, LossReason, Moment, Notice, Owner, Quorum, Refusal,
    ReleaseOutcome, Renewal, Resource, ResourceSet, RestartPolicy, Retry, Stale, Standing, Token,
    Ttl, Vote,
};
pub use random::{OsRandom, Random, RandomError};
#[cfg(feature = "smol")]
pub use runtime::SmolRuntime;
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{NoRuntime, Runtime};
