use std::{fmt, sync::Arc};

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
        }
    }
}
