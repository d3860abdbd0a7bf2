use std::{fmt, sync::Arc, time::Duration};

use crate::node::{ClockStep, NodeError};

/// What works less well than it could.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Warning {
    /// This node cannot tell of releases, or may not: whoever waits for a lock looks at it again by
    /// the retry policy and when the holder's time is over, unless enough other nodes tell.
    #[non_exhaustive]
    NoNotifications {
        /// The label of the node.
        label: Arc<str>,
        /// Why it cannot; `None` if it is not of a kind that can.
        error: Option<NodeError>,
    },
    /// This node has granted a lock although it may have forgotten one: its store keeps nothing
    /// over a restart, and was started less than a ttl ago. If that was a restart, and a lock of
    /// this ttl was held before, two may hold it now.
    ///
    /// [`RestartPolicy::Quarantine`](crate::proto::RestartPolicy) keeps such a node from voting;
    /// so does whoever runs it, by starting it a ttl later. One that was never used before has
    /// nothing to forget.
    #[non_exhaustive]
    Forgetful {
        /// The label of the node.
        label: Arc<str>,
        /// For how long its store has been running.
        remembers: Duration,
        /// The ttl of the lock that was granted.
        ttl: Duration,
    },
    /// The clock of this node's server has been set, or runs wrong: set forward, it lets locks end
    /// before their time. Said once for each step that is noticed.
    ///
    /// A step forward of more than a lock allows for, by its grace and its drift allowance, keeps
    /// the votes of the node from being counted until what it may have forgotten has ended.
    #[non_exhaustive]
    ClockStepped {
        /// The label of the node.
        label: Arc<str>,
        /// Which way, and how far.
        step: ClockStep,
    },
}

impl Warning {
    /// The label of the node that it is about.
    #[must_use]
    pub const fn node(&self) -> &Arc<str> {
        match self {
            Self::NoNotifications { label, .. }
            | Self::Forgetful { label, .. }
            | Self::ClockStepped { label, .. } => label,
        }
    }

    /// Which of them it is, as metrics call it: the name of the variant in snake case.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoNotifications { .. } => "no_notifications",
            Self::Forgetful { .. } => "forgetful",
            Self::ClockStepped { .. } => "clock_stepped",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNotifications { label, error: None } => {
                write!(f, "{label} cannot tell of releases: waiting for a lock takes longer")
            }
            Self::NoNotifications { label, error: Some(error) } => {
                write!(f, "{label} does not tell of releases, so waiting takes longer: {error}")
            }
            Self::ClockStepped { label, step } => {
                write!(f, "the clock of {label} has been set {step}, or runs as wrong")
            }
            Self::Forgetful { label, remembers, ttl } => write!(
                f,
                "{label} keeps nothing over a restart, and was started {remembers:?} ago: it may \
                 have forgotten locks of {ttl:?} that are still held"
            ),
        }
    }
}
