use super::{
    Ballot, Fence, Moment, NodeSet, Quorum, Round, Tally, Tenure, Timing, Ttl, Verdict, Vote,
    mutant::{self, Mutant},
    numbering::Numbering,
    tenure::Votes,
};

/// One attempt at a lock: asks every node once, and either becomes a [`Tenure`] or is undone.
///
/// The caller asks all nodes when it makes the attempt, and reports each call as it returns. An
/// attempt that is given up, whatever the reason, hands out the [`Orders`] that leave nothing
/// behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    started: Moment,
    ttl: Ttl,
    timing: Timing,
    round: Round,
    /// What the calls that returned said, also when it came too late for the round.
    returned: Returned,
    /// Nodes that may have a key with this token from before: none, unless a lease is resumed.
    before: NodeSet,
    /// When the lease that is resumed ends, if this clock knows.
    old_end: Option<Moment>,
    /// Whether the lock is to have a fencing token; and how far that is, once a quorum has voted.
    numbering: Option<Option<Numbering>>,
    /// Why it can have none: once decided, for good.
    unnumbered: Option<Verdict>,
    /// The time for answers is over.
    is_over: bool,
    /// Whether a node may have a part of it.
    in_parts: bool,
}

/// What has become of the calls of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Returned {
    /// Those that have not returned.
    silent: NodeSet,
    granted: NodeSet,
    failed: NodeSet,
    /// Those that have returned, and left the node with something that is to be undone.
    may_hold: NodeSet,
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Undecided.
    Open,
    /// Undecided: these nodes have granted, and are now to be asked to raise their count to this.
    Raise(NodeSet, Fence),
    /// The lock is held.
    Granted(Tenure),
    /// It is not, for the reason the verdict gives; now [`Attempt::give_up`] is due.
    Failed(Verdict),
}

/// What is to be undone after an attempt that did not become a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orders {
    /// Nodes that may hold a key of this attempt and must be asked to release it now.
    pub release: NodeSet,
    /// Nodes whose call has not returned: each must be released once it has, if
    /// [it may hold](Ballot::may_hold) a key by then. Not before, or the release could overtake
    /// what it undoes.
    pub outstanding: NodeSet,
}

impl Attempt {
    /// Starts an attempt. `now` must be read before the first byte for any node is sent: validity
    /// counts from here (requirement R2).
    #[must_use]
    pub fn start(quorum: Quorum, ttl: Ttl, timing: impl Into<Timing>, now: Moment) -> Self {
        let timing = timing.into();
        let until = now.after(timing.validity(ttl));
        Self {
            started: now,
            ttl,
            timing,
            round: Round::new(quorum, (!mutant::is(Mutant::LateGrant)).then_some(until)),
            returned: Returned {
                silent: quorum.all(),
                granted: NodeSet::EMPTY,
                failed: NodeSet::EMPTY,
                may_hold: NodeSet::EMPTY,
            },
            before: NodeSet::EMPTY,
            old_end: None,
            numbering: None,
            unnumbered: None,
            is_over: false,
            in_parts: false,
        }
    }

    /// The same, for a lock that is to have a fencing token. The nodes are asked to count.
    #[must_use]
    pub const fn fenced(mut self) -> Self {
        self.numbering = Some(None);
        self
    }

    /// The same, for a lock of several keys: a node that has lost one of them refuses to go on, and
    /// has the others all the same.
    #[must_use]
    pub const fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    /// Starts to take over a lease that was granted before: the nodes are asked to extend it.
    ///
    /// Given the old end of its validity, the quorum must be complete before that (Theorem 2), and it
    /// never becomes shorter; a lease that came from another process has none that this clock
    /// knows, and its nodes alone prove that it is still held.
    #[must_use]
    pub fn resume(
        quorum: Quorum,
        ttl: Ttl,
        timing: impl Into<Timing>,
        now: Moment,
        old_end: Option<Moment>,
    ) -> Self {
        let timing = timing.into();
        let mut attempt = Self::start(quorum, ttl, timing, now);
        // As with every extension, the old end and not the new one is when yeses become worthless.
        let worthless_at = old_end.unwrap_or_else(|| now.after(timing.validity(ttl)));
        attempt.round = Round::new(quorum, Some(worthless_at));
        attempt.before = quorum.all();
        attempt.old_end = old_end;
        attempt
    }

    /// A node's call returned; `now` is read after that.
    pub fn answered(&mut self, node: usize, ballot: Ballot, now: Moment) -> Progress {
        if mutant::is(Mutant::ValidityFromFirstReply) && self.returned.silent == self.quorum().all()
        {
            *self = Self::start(self.quorum(), self.ttl, self.timing, now);
        }
        let is_first = self.returned.silent.contains(node) && ballot != Ballot::Silent;
        if is_first {
            self.take_in(node, ballot);
        }
        self.round.enter(node, ballot, now);
        self.round.note(node, ballot);
        if let Some(Some(numbering)) = &mut self.numbering
            && let Ballot::Cast(Vote::Granted { counter }) = ballot
            && is_first
        {
            numbering.voted(node, counter);
        }
        self.progress(now)
    }

    /// A node has answered the request to raise its count; `now` is read after that.
    pub fn raised(&mut self, node: usize, ballot: Ballot, now: Moment) -> Progress {
        if let Some(Some(numbering)) = &mut self.numbering {
            numbering.raised(node, ballot);
        }
        self.progress(now)
    }

    /// The time that nodes had is over: all that are still silent have failed, though their calls
    /// have not returned. After this the attempt is decided.
    pub fn timed_out(&mut self, now: Moment) -> Progress {
        self.round.close(now);
        if let Some(Some(numbering)) = &mut self.numbering {
            numbering.close();
        }
        self.is_over = true;
        self.progress(now)
    }

    /// Ends the attempt without a lock, at whatever point it is.
    #[must_use]
    pub fn give_up(&self) -> Orders {
        if mutant::is(Mutant::OnlyGrantedReleased) {
            return Orders { release: self.returned.granted, outstanding: NodeSet::EMPTY };
        }
        Orders { release: self.returned.may_hold, outstanding: self.returned.silent }
    }

    /// Whether a node whose call ended like this may have a key of this attempt.
    ///
    /// A request that was not carried out has set nothing; but one to extend says nothing then of
    /// the key that was there before, nor does a refusal of it say anything of the other keys.
    #[must_use]
    pub fn may_hold(&self, node: usize, ballot: Ballot) -> bool {
        let had_it = self.before.contains(node);
        ballot.may_hold() || (had_it && (self.in_parts || !matches!(ballot, Ballot::Cast(_))))
    }

    /// The ballots that decided, or have been counted so far, and what has returned since.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        self.round.tally()
    }

    /// When the lease that is resumed ends, if this clock knows.
    pub(crate) const fn old_end(&self) -> Option<Moment> {
        self.old_end
    }

    /// The moment from which validity counts.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// When it is no longer worth asking nodes to release: a node that was reached in time has
    /// forgotten by then.
    #[must_use]
    pub fn forgotten(&self) -> Moment {
        self.timing.forgotten(self.started, self.ttl)
    }

    const fn quorum(&self) -> Quorum {
        self.round.tally().quorum()
    }

    /// The call to this node has returned, with this.
    fn take_in(&mut self, node: usize, ballot: Ballot) {
        let may_hold = self.may_hold(node, ballot);
        let Returned { silent, granted, failed, may_hold: holding } = &mut self.returned;
        silent.remove(node);
        match ballot {
            Ballot::Cast(Vote::Granted { .. }) => granted.insert(node),
            Ballot::Failed(_) => failed.insert(node),
            Ballot::Cast(Vote::Refused(_)) | Ballot::Silent | Ballot::Unasked => {}
        }
        if may_hold {
            holding.insert(node);
        }
    }

    fn progress(&mut self, now: Moment) -> Progress {
        match self.round.verdict() {
            Verdict::Open => Progress::Open,
            Verdict::Carried => self.number(now),
            verdict => Progress::Failed(verdict),
        }
    }

    /// A quorum has granted: confirms the fence, if there is to be one.
    fn number(&mut self, now: Moment) -> Progress {
        if let Some(verdict) = self.unnumbered {
            return Progress::Failed(verdict);
        }
        let Some(numbering) = &mut self.numbering else {
            return Progress::Granted(self.tenure(None));
        };
        let numbering = numbering.get_or_insert_with(|| Numbering::of(self.round.tally()));
        let fence = numbering.fence();
        let silent = if self.is_over { NodeSet::EMPTY } else { self.returned.silent };
        let failed = if numbering.is_confirmed() {
            // The second round takes time as well.
            let until = self.started.after(self.timing.validity(self.ttl));
            if now < until || mutant::is(Mutant::LateGrant) {
                return Progress::Granted(self.tenure(Some(fence)));
            }
            Verdict::TooLate
        } else if numbering.is_possible(silent) {
            let nodes = numbering.raise();
            return if nodes.is_empty() { Progress::Open } else { Progress::Raise(nodes, fence) };
        } else {
            let silent = self.returned.silent.without(silent);
            let failed = self.returned.failed.union(silent).union(numbering.failed());
            let unreachable = failed.len() >= self.round.tally().quorum().blocking();
            if unreachable { Verdict::Unreachable } else { Verdict::Refused }
        };
        self.unnumbered = Some(failed);
        Progress::Failed(failed)
    }

    fn tenure(&self, fence: Option<Fence>) -> Tenure {
        let Returned { silent: outstanding, granted: held, may_hold, .. } = self.returned;
        let votes = Votes {
            held,
            // A node that had something before has it until its call says otherwise.
            may_hold: may_hold.union(outstanding.and(self.before)),
            outstanding,
            healing: NodeSet::EMPTY,
        };
        let tenure = Tenure::begin(self.quorum(), self.timing, self.ttl, self.started, votes);
        tenure.lasting_until(self.old_end).numbered(fence).in_parts(self.in_parts)
    }
}

#[cfg(test)]
mod tests;
