use std::time::Duration;

use crate::proto::{Fence, Fingerprint, ResourceSet, Tally};

/// One round over the nodes for a lock: [`Observer::attempted`](super::Observer::attempted).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempted<'a> {
    /// What was to be locked.
    pub resources: &'a ResourceSet,
    /// Of the attempt's token, which is its own.
    pub token: Fingerprint,
    /// Which of its call's attempts it was, counted from 1.
    pub number: u32,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// What the nodes had said by then.
    pub tally: &'a Tally,
    /// How long it took, from before the first node was asked.
    pub took: Duration,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// A quorum granted.
    Granted,
    /// Somebody else has the lock, or is taking it at the same time.
    Contended,
    /// So many nodes failed that no quorum was left.
    Unavailable,
    /// A quorum granted, but so late that nothing of the validity was left.
    TooSlow,
    /// Its future was dropped before it was decided; what it may have set is released.
    Cancelled,
}

/// Somebody else was met: [`Observer::contended`](super::Observer::contended).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Contended<'a> {
    /// What was to be locked.
    pub resources: &'a ResourceSet,
    /// Who has it, if a quorum of nodes names the same one; `None` if they do not tell, or if
    /// several who came at the same time have split the votes between them.
    pub holder: Option<Fingerprint>,
    /// For how much longer, as far as the nodes can tell.
    pub remaining: Option<Duration>,
    /// Which of its call's attempts it was, counted from 1.
    pub number: u32,
}

/// A call has to wait: [`Observer::waiting`](super::Observer::waiting).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Waiting<'a> {
    /// For what.
    pub resources: &'a ResourceSet,
}

/// A call waits no longer: [`Observer::waited`](super::Observer::waited).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Waited<'a> {
    /// For what it waited.
    pub resources: &'a ResourceSet,
    /// Since [`waiting`](super::Observer::waiting) was told.
    pub time: Duration,
}

/// A lock was acquired: [`Observer::acquired`](super::Observer::acquired).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Acquired<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// How many attempts the call made, the last one included.
    pub attempts: u32,
    /// From the call until now.
    pub waited: Duration,
    /// For how long it may be trusted from now on, if nothing extends it.
    pub validity: Duration,
    /// The lock's fencing token, if it has one.
    pub fence: Option<Fence>,
}

/// A call has ended without a lock: [`Observer::gave_up`](super::Observer::gave_up).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GaveUp<'a> {
    /// What was to be locked.
    pub resources: &'a ResourceSet,
    /// Why, as far as the last attempt tells.
    pub reason: GaveUpReason,
    /// How many attempts the call made: none, if others of this process came first.
    pub attempts: u32,
    /// From the call until now.
    pub waited: Duration,
}

/// Why a call has ended without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUpReason {
    /// Somebody else had it.
    Contended,
    /// So many nodes failed that no quorum was left.
    Unavailable,
    /// A quorum granted, but so late that nothing of the validity was left.
    TooSlow,
    /// Its owner has it already, and has lost it.
    Lost,
    /// The fencing token was smaller than one that was had before.
    FenceRegression,
    /// It could not be tried here: no runtime, no random bits, or two nodes that are one server.
    Unusable,
    /// Its future was dropped.
    Cancelled,
}

impl AttemptOutcome {
    /// A name for logs and metrics, in snake case, that does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Contended => "contended",
            Self::Unavailable => "unavailable",
            Self::TooSlow => "too_slow",
            Self::Cancelled => "cancelled",
        }
    }
}

impl GaveUpReason {
    /// A name for logs and metrics, in snake case, that does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contended => "contended",
            Self::Unavailable => "unavailable",
            Self::TooSlow => "too_slow",
            Self::Lost => "lost",
            Self::FenceRegression => "fence_regression",
            Self::Unusable => "unusable",
            Self::Cancelled => "cancelled",
        }
    }
}
