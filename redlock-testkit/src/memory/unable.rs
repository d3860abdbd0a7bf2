use std::{sync::Arc, time::Duration};

use redlock_core::{Delivery, FailureKind, NodeError, Ttl};

/// Why a node has not carried out what it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unable {
    Failed(FailureKind),
    /// There are no larger numbers.
    UsedUp,
    /// For so long more.
    Quarantined(Duration),
    TooLong {
        given: Ttl,
        most: Ttl,
    },
}

impl Unable {
    pub(super) fn into_error(self, label: Arc<str>) -> NodeError {
        let rejected = |why: String| {
            NodeError::new(Arc::clone(&label), FailureKind::Rejected).with_source(why)
        };
        let error = match self {
            Self::Failed(kind) => NodeError::new(Arc::clone(&label), kind),
            Self::UsedUp => rejected("its counter of this resource is at its end".into()),
            Self::Quarantined(remaining) => NodeError::quarantined(Arc::clone(&label), remaining),
            Self::TooLong { given, most } => rejected(format!(
                "a ttl of {:?} is longer than {:?}, the longest that its quarantine is for",
                given.get(),
                most.get()
            )),
        };
        error.with_delivery(Delivery::Refused)
    }
}

impl From<FailureKind> for Unable {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }
}
