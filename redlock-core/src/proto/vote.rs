use std::{fmt, time::Duration};

use super::{Fence, Fingerprint};

/// What a node answered: an outcome, never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vote {
    /// The node did what it was asked: it holds, keeps longer, or has deleted the key of this
    /// token.
    #[non_exhaustive]
    Granted {
        /// What the node's count of grants shows, if it was asked to count: see
        /// [`Fencing`](crate::Fencing).
        counter: Option<Fence>,
    },
    /// The node did nothing, for a reason that it knows.
    Refused(Refusal),
}

impl Vote {
    /// The node did what it was asked.
    #[must_use]
    pub const fn granted() -> Self {
        Self::Granted { counter: None }
    }

    /// The node did what it was asked, and its count shows this.
    #[must_use]
    pub const fn counted(counter: Fence) -> Self {
        Self::Granted { counter: Some(counter) }
    }

    /// The same, from a node whose count shows this.
    #[must_use]
    pub const fn with_counter(self, counter: Fence) -> Self {
        match self {
            Self::Granted { .. } => Self::counted(counter),
            Self::Refused(Refusal::HeldByAnother { remaining, holder, .. }) => {
                let counter = Some(counter);
                Self::Refused(Refusal::HeldByAnother { remaining, holder, counter })
            }
            Self::Refused(Refusal::NotHeld) => self,
        }
    }

    /// The key belongs to another token, for so long more as far as the node can tell.
    #[must_use]
    pub const fn held_by_another(remaining: Option<Duration>) -> Self {
        Self::Refused(Refusal::HeldByAnother { remaining, holder: None, counter: None })
    }

    /// The key belongs to this holder's token, for so long more as far as the node can tell.
    #[must_use]
    pub const fn held_by(holder: Fingerprint, remaining: Option<Duration>) -> Self {
        Self::Refused(Refusal::HeldByAnother { remaining, holder: Some(holder), counter: None })
    }

    /// There is no such key: what was asked for needs one.
    #[must_use]
    pub const fn not_held() -> Self {
        Self::Refused(Refusal::NotHeld)
    }
}

/// Why a node refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The key belongs to another token.
    #[non_exhaustive]
    HeldByAnother {
        /// How much longer the node will keep it, if the node can tell.
        remaining: Option<Duration>,
        /// Whose it is, if the node tells: so that a lock that somebody holds can be told from votes
        /// that several contenders have split between them.
        holder: Option<Fingerprint>,
        /// What the node's count of grants shows, if it was asked to count: a hint for the next
        /// attempt.
        counter: Option<Fence>,
    },
    /// There is no such key.
    NotHeld,
}

/// Why a node gave no answer that can be counted, in as much as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// Whether the node may have carried out the request all the same.
    pub delivery: Delivery,
}

/// What went wrong between asking a node and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// No connection could be made.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// The node answered that it will not: authentication, permissions, read-only, out of memory,
    /// still loading, wrong type of key.
    Rejected,
    /// The answer was not one that such a node gives.
    Protocol,
    /// The connection ended while the request was under way, or the client has been shut down.
    Closed,
    /// The node cannot do what was asked.
    Unsupported,
    /// The node has restarted, may have forgotten locks, and does not vote before they have ended:
    /// see [`RestartPolicy`](super::RestartPolicy).
    Quarantined,
    /// None of the above; the source of the error tells.
    Other,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Rejected => "rejected the request",
            Self::Protocol => "gave an answer that is not understood",
            Self::Closed => "closed the connection",
            Self::Unsupported => "does not support the request",
            Self::Quarantined => "is in quarantine",
            Self::Other => "failed",
        })
    }
}

/// How far a failed request came (requirement R20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Not a byte of it left this process: the node cannot have acted on it.
    NotSent,
    /// It may have been carried out, may be carried out later, or never.
    Unknown,
    /// The node answered that it did not carry it out.
    Refused,
}

/// What is known of one node in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// Nothing yet.
    #[default]
    Silent,
    /// That it is not asked.
    Unasked,
    /// Its answer.
    Cast(Vote),
    /// That there is no answer to count.
    Failed(Failure),
}

impl Ballot {
    /// The node let the time for its answer pass.
    pub const TIMED_OUT: Self =
        Self::Failed(Failure { kind: FailureKind::TimedOut, delivery: Delivery::Unknown });

    /// What the node's count of grants shows, if it was told.
    pub(crate) const fn counter(self) -> Option<Fence> {
        match self {
            Self::Cast(
                Vote::Granted { counter } | Vote::Refused(Refusal::HeldByAnother { counter, .. }),
            ) => counter,
            _ => None,
        }
    }

    /// Whether the node may hold the key of the attempt that it was asked to acquire for.
    ///
    /// Only a node that certainly does not can be left out of the clean-up (requirement R21): one
    /// that refused, one that said it did not act, and one that was never asked.
    #[must_use]
    pub const fn may_hold(self) -> bool {
        match self {
            Self::Silent | Self::Cast(Vote::Granted { .. }) => true,
            Self::Cast(Vote::Refused(_)) | Self::Unasked => false,
            Self::Failed(failure) => matches!(failure.delivery, Delivery::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_certainly_holds_nothing_is_left_out_of_the_clean_up() {
        let failed = |delivery| Ballot::Failed(Failure { kind: FailureKind::Closed, delivery });
        assert!(Ballot::Silent.may_hold());
        assert!(!Ballot::Unasked.may_hold());
        assert!(Ballot::Cast(Vote::granted()).may_hold());
        assert!(failed(Delivery::Unknown).may_hold());
        assert!(!failed(Delivery::NotSent).may_hold());
        assert!(!failed(Delivery::Refused).may_hold());
        assert!(!Ballot::Cast(Vote::not_held()).may_hold());
        assert!(!Ballot::Cast(Vote::held_by_another(None)).may_hold());
    }
}
