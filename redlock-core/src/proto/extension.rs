use super::{Loss, Moment, NodeSet, Round, Tally, Ttl, Verdict};

/// One try to extend a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    pub(super) serial: u32,
    pub(super) started: Moment,
    pub(super) ttl: Ttl,
    pub(super) asked: NodeSet,
    pub(super) round: Round,
}

/// Where an extension stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionStep {
    /// Undecided.
    Open,
    /// The lock is held until the given moment.
    Extended(Moment),
    /// The extension failed; the lock is held as before, until its old end.
    Unchanged(Verdict),
    /// The lock is lost, and has been declared so before anything is released (requirement R31).
    Lost(Loss),
    /// The answer belongs to an extension that is no longer under way, and changed nothing
    /// (requirement R33).
    Ignored,
}

impl Extension {
    /// The nodes to ask: all but those whose call to acquire has not returned, which an extension
    /// could overtake.
    #[must_use]
    pub const fn asked(&self) -> NodeSet {
        self.asked
    }

    /// The ballots so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        self.round.tally()
    }
}
