#![doc = include_str!("../README.md")]

pub mod proto;

mod lock;
mod node;
mod observe;
mod random;
mod runtime;

pub use async_trait::async_trait;
pub use lock::{
    Action, Error, Guard, Lock, LossSignal, NodeReport, Redlock, RedlockBuilder, Reentrant,
    ReentrantGuard, Release, Report,
};
pub use node::{
    Announced, ClockStep, Fencing, Held, Identity, Inspection, LockNode, NodeError, Notifications,
    Sets, StepDirection, Survey, Witness,
};
pub use observe::{Observer, Warning};
pub use proto::{
    Backoff, Ballot, ConfigError, Delivery, Drift, Failure, FailureKind, Fence, Fenced,
    Fingerprint, Lease, LossReason, Moment, Notice, Quorum, Refusal, ReleaseOutcome, Renewal,
    Resource, ResourceSet, RestartPolicy, Retry, Stale, Token, Ttl, Vote,
};
pub use random::{OsRandom, Random, RandomError};
#[cfg(feature = "smol")]
pub use runtime::SmolRuntime;
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{NoRuntime, Runtime};
