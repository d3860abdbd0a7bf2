use std::time::Duration;

use crate::{
    node::NodeError,
    proto::{Fence, Fingerprint, LossReason, ReleaseOutcome, ResourceSet, Tally},
};

/// A lease is kept here from now on: [`Observer::adopted`](super::Observer::adopted).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Adopted<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// For how long it may be trusted from now on, if nothing extends it.
    pub validity: Duration,
    /// The lock's fencing token, if it has one.
    pub fence: Option<Fence>,
}

/// A lock was extended: [`Observer::extended`](super::Observer::extended).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Extended<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// Who extended it.
    pub by: ExtendedBy,
    /// How much of the validity was left when the quorum was complete: so much later, and the lock
    /// would have been lost.
    pub margin: Duration,
    /// For how long it may be trusted from now on.
    pub validity: Duration,
    /// What the nodes had said by then.
    pub tally: &'a Tally,
}

/// An extension failed: [`Observer::not_extended`](super::Observer::not_extended).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NotExtended<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// Who wanted to extend it.
    pub by: ExtendedBy,
    /// How much of the validity is left.
    pub margin: Duration,
    /// What the nodes had said by then.
    pub tally: &'a Tally,
}

/// Who extends a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtendedBy {
    /// Its renewal, in the background.
    Renewal,
    /// Its holder, by calling `extend`.
    Holder,
}

/// A node has the key of a held lock again: [`Observer::healed`](super::Observer::healed).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Healed<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// The label of the node.
    pub label: &'a str,
}

/// A lock was lost: [`Observer::lost`](super::Observer::lost).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Lost<'a> {
    /// What was locked.
    pub resources: &'a ResourceSet,
    /// Of the token that had it.
    pub token: Fingerprint,
    /// Why it is lost.
    pub reason: LossReason,
    /// How long it was held.
    pub held: Duration,
    /// How much of the validity was left when the loss was told; zero if it was told late.
    pub margin: Duration,
}

/// A lock was given up: [`Observer::released`](super::Observer::released).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Released<'a> {
    /// What was locked.
    pub resources: &'a ResourceSet,
    /// Of the token that had it.
    pub token: Fingerprint,
    /// How long it was held.
    pub held: Duration,
    /// How much of the validity was left.
    pub margin: Duration,
}

/// A lock was taken out of its guard: [`Observer::handed_on`](super::Observer::handed_on).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HandedOn<'a> {
    /// What is locked.
    pub resources: &'a ResourceSet,
    /// Of the token that has it.
    pub token: Fingerprint,
    /// How long it was held here.
    pub held: Duration,
    /// How much of the validity is left.
    pub margin: Duration,
}

/// What came of asking nodes to release: [`Observer::freed`](super::Observer::freed).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Freed<'a> {
    /// What was locked.
    pub resources: &'a ResourceSet,
    /// Of the token that had it.
    pub token: Fingerprint,
    /// What it came to.
    pub outcome: ReleaseOutcome,
    /// What the nodes had said by then.
    pub tally: &'a Tally,
}

/// A node failed a call: [`Observer::node_failed`](super::Observer::node_failed).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NodeFailed<'a> {
    /// What the call was about; `None` if about no resource in particular, but what a node
    /// [holds](crate::Redlock::list).
    pub resources: Option<&'a ResourceSet>,
    /// Which node, how, and why as far as it is known.
    pub error: &'a NodeError,
}

impl ExtendedBy {
    /// A name for logs and metrics, in snake case, that does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Holder => "holder",
        }
    }
}
