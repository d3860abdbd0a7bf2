use std::fmt;

use super::NodeSet;

/// Why a lock is no longer held although nobody released it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// Its validity ended before it was extended.
    Expired,
    /// So many nodes said that the key is gone or another's that no quorum can be left.
    QuorumLost,
    /// It was held for as long as it may be in all, however often it was extended.
    HeldTooLong,
}

/// A lock has just been declared lost, or had been before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loss {
    /// Why.
    pub reason: LossReason,
    /// The nodes that must be asked to release now; none if that has been done before.
    pub release: NodeSet,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its validity ended before it was extended",
            Self::QuorumLost => "too few nodes are left that have it",
            Self::HeldTooLong => "it was held for as long as it may be in all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_says_why() {
        let expired = "its validity ended before it was extended";
        assert_eq!(LossReason::Expired.to_string(), expired);
        assert_eq!(LossReason::QuorumLost.to_string(), "too few nodes are left that have it");
        let limit = "it was held for as long as it may be in all";
        assert_eq!(LossReason::HeldTooLong.to_string(), limit);
    }
}
