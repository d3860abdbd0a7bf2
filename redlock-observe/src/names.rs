//! What things of the core are called in labels and fields: in snake case, and for good.

use redlock_core::{FailureKind, LossReason, ReleaseOutcome};

pub(crate) const fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "unreachable",
        FailureKind::TimedOut => "timed_out",
        FailureKind::Rejected => "rejected",
        FailureKind::Protocol => "protocol",
        FailureKind::Closed => "closed",
        FailureKind::Unsupported => "unsupported",
        FailureKind::Quarantined => "quarantined",
        _ => "other",
    }
}

pub(crate) const fn loss(reason: LossReason) -> &'static str {
    match reason {
        LossReason::Expired => "expired",
        LossReason::QuorumLost => "quorum_lost",
        LossReason::HeldTooLong => "held_too_long",
        _ => "other",
    }
}

pub(crate) const fn release(outcome: ReleaseOutcome) -> &'static str {
    match outcome {
        ReleaseOutcome::Released => "released",
        ReleaseOutcome::Expired => "expired",
        ReleaseOutcome::TakenByAnother => "taken_by_another",
        ReleaseOutcome::Kept => "kept",
        ReleaseOutcome::Unknown => "unknown",
        _ => "other",
    }
}
