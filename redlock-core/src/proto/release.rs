use super::{Ballot, Quorum, Refusal, Tally, Vote};

/// What a release came to, as far as the nodes told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReleaseOutcome {
    /// A quorum of nodes deleted the key: the lock was held until now.
    Released,
    /// So many nodes no longer had the key that it cannot have been held any more.
    Expired,
    /// Likewise, and at least one of them has it for somebody else.
    TakenByAnother,
    /// Its holder has given it up, and nodes keep it until its shortest hold is over.
    Kept,
    /// Too few nodes answered to tell. What was not reached is being cleaned up in the background,
    /// and ends by itself with the ttl.
    Unknown,
}

impl ReleaseOutcome {
    /// Reads the outcome from the tally of a release; `None` while more answers could change it.
    #[must_use]
    pub fn of(tally: &Tally) -> Option<Self> {
        let quorum: Quorum = tally.quorum();
        if tally.granted().len() >= quorum.needed() {
            Some(Self::Released)
        } else if tally.refused().len() >= quorum.blocking() {
            let another = |ballot: &Ballot| {
                matches!(ballot, Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { .. })))
            };
            let taken = tally.ballots().iter().any(another);
            Some(if taken { Self::TakenByAnother } else { Self::Expired })
        } else if tally.silent().is_empty() {
            Some(Self::Unknown)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Delivery, Failure, FailureKind};

    const DELETED: Ballot = Ballot::Cast(Vote::granted());
    const GONE: Ballot = Ballot::Cast(Vote::not_held());
    const OTHER: Ballot = Ballot::Cast(Vote::held_by_another(None));
    const DOWN: Ballot =
        Ballot::Failed(Failure { kind: FailureKind::Unreachable, delivery: Delivery::NotSent });

    #[test]
    fn the_outcome_is_what_a_quorum_or_a_blocking_minority_says() {
        use ReleaseOutcome::{Expired, Released, TakenByAnother, Unknown};
        for (ballots, outcome) in [
            (vec![DELETED, DELETED, Ballot::Silent], Some(Released)),
            (vec![DELETED, GONE, DELETED], Some(Released)),
            (vec![DELETED, GONE, Ballot::Silent], None),
            (vec![DELETED, GONE, GONE], Some(Expired)),
            (vec![GONE, GONE, Ballot::Silent], Some(Expired)),
            (vec![OTHER, GONE, Ballot::Silent], Some(TakenByAnother)),
            (vec![DELETED, DOWN, GONE], Some(Unknown)),
            (vec![DOWN, DOWN, DOWN], Some(Unknown)),
            (vec![DOWN, DOWN, Ballot::Silent], None),
        ] {
            let mut tally = Tally::new(Quorum::of(ballots.len()).unwrap());
            for (node, &ballot) in ballots.iter().enumerate() {
                tally.enter(node, ballot);
            }
            assert_eq!(ReleaseOutcome::of(&tally), outcome, "{ballots:?}");
        }
    }
}
