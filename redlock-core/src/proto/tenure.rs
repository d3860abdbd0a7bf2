use std::time::Duration;

use super::{
    Ballot, Fence, Loss, LossReason, Moment, NodeSet, Quorum, Timing, Ttl, Vote,
    mutant::{self, Mutant},
};

/// A lock that is held, from the grant to its end: until when, by which votes, and what may still
/// come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    pub(super) quorum: Quorum,
    pub(super) timing: Timing,
    pub(super) until: Moment,
    /// No extension leads beyond this.
    pub(super) limit: Moment,
    /// When the last node that was asked in time has forgotten the key, at the latest.
    pub(super) forgotten: Moment,
    pub(super) votes: Votes,
    pub(super) phase: Phase,
    /// The number of the extension under way, or of the last one.
    pub(super) serial: u32,
    /// The fencing token, if the lock has one.
    fence: Option<Fence>,
    /// Whether a node may have a part of it.
    in_parts: bool,
}

/// Which nodes stand where towards a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Votes {
    /// Nodes whose last word was that the key is ours.
    pub(super) held: NodeSet,
    /// Nodes that may have the key. All others certainly have nothing of this lock: they refused,
    /// or were never reached.
    pub(super) may_hold: NodeSet,
    /// Nodes whose call to acquire has not returned.
    pub(super) outstanding: NodeSet,
    /// Those of them that were asked to have the key again, which is no vote.
    pub(super) healing: NodeSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The lock is held, as long as the clock says so.
    Held,
    /// Released or lost: whatever is found of it is to be deleted.
    Ended(Option<LossReason>),
    /// Somebody else holds it with the same token now; nothing of it may be deleted.
    GivenAway,
}

/// How a lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// Its holder gave it up.
    Released,
    /// It was lost.
    Lost(LossReason),
    /// Its holder handed it on; somebody else goes on with it.
    GivenAway,
}

/// What a late answer to the call that asked for the lock means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Late {
    /// One more vote for the lock, or one less to wait for.
    Noted,
    /// An orphan: the lock is no longer held, and this node must release it.
    Release,
}

impl Tenure {
    /// A lock that was asked for at `started` and granted by a quorum of these votes.
    pub(super) fn begin(
        quorum: Quorum,
        timing: Timing,
        ttl: Ttl,
        started: Moment,
        votes: Votes,
    ) -> Self {
        let limit = timing.limit(started);
        Self {
            quorum,
            timing,
            until: started.after(timing.validity(ttl)).min(limit),
            limit,
            forgotten: timing.forgotten(started, ttl),
            votes,
            phase: Phase::Held,
            serial: 0,
            fence: None,
            in_parts: false,
        }
    }

    /// The same, until then at least: a lease that is gone on with never becomes shorter.
    pub(super) fn lasting_until(mut self, old_end: Option<Moment>) -> Self {
        self.until = old_end.map_or(self.until, |old_end| self.until.max(old_end).min(self.limit));
        self
    }

    /// The same with this fencing token.
    pub(crate) const fn numbered(mut self, fence: Option<Fence>) -> Self {
        self.fence = fence;
        self
    }

    /// The same, as a lock of several keys or not: of those a node that refuses may have some.
    pub(super) const fn in_parts(mut self, in_parts: bool) -> Self {
        self.in_parts = in_parts;
        self
    }

    /// The fencing token, if the lock has one: the same for as long as it is held.
    #[must_use]
    pub const fn fence(&self) -> Option<Fence> {
        self.fence
    }

    /// The end of validity, as it stands.
    #[must_use]
    pub const fn until(&self) -> Moment {
        self.until
    }

    /// Whether no extension can make it last any longer.
    #[must_use]
    pub fn is_at_its_limit(&self) -> bool {
        self.until == self.limit
    }

    /// Whether the lock is held at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Moment) -> bool {
        self.phase == Phase::Held && now < self.until
    }

    /// How much of the validity is left at `now`; zero if the lock is not held.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Duration {
        if self.phase == Phase::Held { self.until.since(now) } else { Duration::ZERO }
    }

    /// The nodes whose last word was that the key is ours.
    #[must_use]
    pub const fn held(&self) -> NodeSet {
        self.votes.held
    }

    /// The nodes that may have the key, and so are to be released in the end. The others certainly
    /// have nothing of this lock.
    #[must_use]
    pub const fn may_hold(&self) -> NodeSet {
        self.votes.may_hold
    }

    /// The nodes whose call to acquire has not returned.
    #[must_use]
    pub const fn outstanding(&self) -> NodeSet {
        self.votes.outstanding
    }

    /// When it is no longer worth asking nodes to release: a node that was reached in time has
    /// forgotten by then.
    #[must_use]
    pub const fn forgotten(&self) -> Moment {
        self.forgotten
    }

    /// A call to acquire that was outstanding at the grant has returned.
    ///
    /// While the lock is held its yes joins the votes; it never brings an ended lock back
    /// (requirement R23).
    pub fn late(&mut self, node: usize, ballot: Ballot) -> Late {
        self.votes.outstanding.remove(node);
        let healed = self.votes.healing.contains(node);
        self.votes.healing.remove(node);
        let had_it = self.votes.may_hold.contains(node);
        // A refusal to have all the keys again says nothing of those that are there.
        let silent = self.in_parts || !matches!(ballot, Ballot::Cast(_));
        let may_hold = ballot.may_hold() || (had_it && silent);
        if mutant::is(Mutant::StragglerKept) {
            return Late::Noted;
        }
        if healed && mutant::is(Mutant::HealingForgotten) {
            return Late::Noted;
        }
        if mutant::is(Mutant::LateYesRevives) && may_hold {
            self.phase = Phase::Held;
        }
        match self.phase {
            Phase::Ended(_) if may_hold => Late::Release,
            Phase::Ended(_) | Phase::GivenAway => Late::Noted,
            Phase::Held => {
                if may_hold {
                    self.votes.may_hold.insert(node);
                }
                if !healed {
                    self.note(node, ballot);
                }
                Late::Noted
            }
        }
    }

    /// Ends the lock. From here on it is not valid; *then* the returned nodes must be asked to
    /// release (requirement R25). `None` if it has ended before.
    ///
    /// Nodes that certainly have nothing of the lock are left out; so are those whose call to
    /// acquire has not returned: [`late`](Self::late) tells when their turn has come.
    pub fn end(&mut self) -> Option<NodeSet> {
        match self.phase {
            Phase::Ended(_) | Phase::GivenAway => None,
            Phase::Held => {
                if !mutant::is(Mutant::ValidWhileReleasing) {
                    self.phase = Phase::Ended(None);
                }
                Some(self.votes.may_hold.without(self.votes.outstanding))
            }
        }
    }

    /// Declares the lock lost if its time is over, or will be within `lead`: so much earlier than
    /// it must be told, because timers are not exact. `None` if it is held, or has ended before.
    ///
    /// Like after [`end`](Self::end), it is not valid from here on, and *then* the nodes of the
    /// loss must be asked to release.
    pub fn expire(&mut self, now: Moment, lead: Duration) -> Option<Loss> {
        let over = now.after(lead) >= self.until && !mutant::is(Mutant::LossUntold);
        (over && self.phase == Phase::Held).then(|| self.lose(LossReason::Expired))
    }

    /// Its key has been removed from these nodes by somebody else, and is nowhere on them. If those
    /// that may still have it, or are about to, are no quorum, the lock is lost.
    pub fn uprooted(&mut self, gone: NodeSet) -> Option<Loss> {
        if self.phase != Phase::Held {
            return None;
        }
        let left = self.votes.may_hold.union(self.votes.outstanding).without(gone);
        if left.len() < self.quorum.needed() {
            return Some(self.lose(LossReason::QuorumLost));
        }
        self.votes.held = self.votes.held.without(gone);
        None
    }

    /// What became of the lock: `None` while it is held, or has ended without anybody's having
    /// looked at the clock.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        match self.phase {
            Phase::Held => None,
            Phase::Ended(Some(reason)) => Some(Ending::Lost(reason)),
            Phase::Ended(None) => Some(Ending::Released),
            Phase::GivenAway => Some(Ending::GivenAway),
        }
    }

    /// Gives the lock to somebody who goes on with its token: it is no longer held here, and
    /// nothing of it is deleted from here.
    pub fn give_away(&mut self) {
        if self.phase == Phase::Held {
            self.phase = Phase::GivenAway;
        }
    }

    pub(super) fn note(&mut self, node: usize, ballot: Ballot) {
        match ballot {
            Ballot::Cast(Vote::Granted { .. }) => self.votes.held.insert(node),
            Ballot::Cast(Vote::Refused(_)) => self.votes.held.remove(node),
            Ballot::Silent | Ballot::Unasked | Ballot::Failed(_) => {}
        }
    }

    pub(super) fn lose(&mut self, reason: LossReason) -> Loss {
        let reason = match reason {
            // It could not have been extended any further.
            LossReason::Expired if self.until == self.limit => LossReason::HeldTooLong,
            reason => reason,
        };
        let was_held = self.phase == Phase::Held;
        let release = self.end().unwrap_or(NodeSet::EMPTY);
        match self.phase {
            Phase::Ended(Some(reason)) => Loss { reason, release },
            // Who has released it or handed it on has nothing to lose: what came too late for that
            // changes nothing.
            Phase::Ended(None) | Phase::GivenAway if !was_held => Loss { reason, release },
            _ => {
                self.phase = Phase::Ended(Some(reason));
                Loss { reason, release }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
