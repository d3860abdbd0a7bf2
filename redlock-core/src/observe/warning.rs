use std::{fmt, sync::Arc, time::Duration};

use crate::node::NodeError;

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
            Self::Forgetful { label, remembers, ttl } => write!(
                f,
                "{label} keeps nothing over a restart, and was started {remembers:?} ago: it may \
                 have forgotten locks of {ttl:?} that are still held"
            ),
        }
    }
}
