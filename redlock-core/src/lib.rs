#![doc = include_str!("../README.md")]

pub mod proto;

mod lock;
mod node;
mod observe;
mod random;
mod runtime;

pub use async_trait::async_trait;
pub use lock::{
    Action, Error, Guard, Listed, Lock, LossSignal, NodeReport, NodeReset, NodeStatus, Redlock,
    RedlockBuilder, Reentrant, ReentrantGuard, Release, Report, Reset, Status,
};
pub use node::{
    Announced, Cursor, Fencing, Held, Identity, LockNode, NodeError, Notifications, Page, Sets,
    Survey, Witness,
};
pub use observe::{
    Acquired, Adopted, AttemptOutcome, Attempted, Contended, Extended, ExtendedBy, Freed, GaveUp,
    GaveUpReason, HandedOn, Healed, Lost, NodeFailed, NotExtended, Observer, Released, Waited,
    Waiting, Warning,
};
pub use proto::{
    Backoff, Ballot, ConfigError, Delivery, Drift, Failure, FailureKind, Fence, Fenced,
    Fingerprint, Inspection, Lease, LossReason, Moment, Notice, Owner, Quorum, Refusal,
    ReleaseOutcome, Renewal, Resource, ResourceSet, RestartPolicy, Retry, Stale, Standing, Token,
    Ttl, Vote,
};
pub use random::{OsRandom, Random, RandomError};
#[cfg(feature = "smol")]
pub use runtime::SmolRuntime;
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{NoRuntime, Runtime};
