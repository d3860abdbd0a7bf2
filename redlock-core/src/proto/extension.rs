use super::{
    Ballot, Loss, LossReason, Moment, NodeSet, Refusal, Round, Tally, Tenure, Ttl, Verdict, Vote,
    mutant::{self, Mutant},
    tenure::{Phase, Votes},
};

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
    /// The moment from which its validity counts.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

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

impl Tenure {
    /// Starts to extend the lock to at least `ttl` from `now`, which must be read before the first
    /// byte for any node is sent. [`Extension::asked`] tells which nodes to ask.
    ///
    /// # Errors
    ///
    /// The [`Loss`], if the lock is lost; then no node must be asked to extend (requirement R29).
    pub fn extend(&mut self, ttl: Ttl, now: Moment) -> Result<Extension, Loss> {
        if !self.is_valid(now) && !mutant::is(Mutant::ExtendedAfterEnd) {
            return Err(self.lose(LossReason::Expired));
        }
        // A call that has not healed its node by now may never return. The node is asked as the
        // others are, and what the call may still do is undone with the rest.
        let Votes { outstanding, may_hold, healing, .. } = self.votes;
        self.votes.outstanding = outstanding.without(healing);
        self.votes.may_hold = may_hold.union(healing);
        self.votes.healing = NodeSet::EMPTY;
        self.serial = self.serial.wrapping_add(1);
        self.forgotten = self.forgotten.max(self.timing.forgotten(now, ttl));
        Ok(Extension {
            serial: self.serial,
            started: now,
            ttl,
            asked: self.quorum.all().without(self.votes.outstanding),
            // Only yeses that are in hand before the old end continue the lock (Theorem 2, R30),
            // so the old end and not the new one is when they become worthless.
            round: Round::new(
                self.quorum,
                (!mutant::is(Mutant::LateExtension)).then_some(self.until),
            ),
        })
    }

    /// A node answered an extension; `now` is read after that.
    pub fn extension_answered(
        &mut self,
        extension: &mut Extension,
        node: usize,
        ballot: Ballot,
        now: Moment,
    ) -> ExtensionStep {
        if extension.serial != self.serial || self.phase != Phase::Held {
            return ExtensionStep::Ignored;
        }
        self.note(node, ballot);
        let mut counted = ballot;
        if mutant::is(Mutant::AbsentCounted)
            && let Ballot::Cast(Vote::Refused(Refusal::NotHeld)) = ballot
        {
            counted = Ballot::Cast(Vote::granted());
        }
        extension.round.enter(node, counted, now);
        let answered = self.quorum.all().without(extension.round.silent());
        if extension.asked.without(answered).is_empty() {
            // The others were not asked, so there is nothing to wait for.
            extension.round.close(now);
        }
        self.step(extension, now)
    }

    /// The time that nodes had for an extension is over. After this it is decided.
    pub fn extension_timed_out(&mut self, extension: &mut Extension, now: Moment) -> ExtensionStep {
        if extension.serial != self.serial || self.phase != Phase::Held {
            return ExtensionStep::Ignored;
        }
        extension.round.close(now);
        self.step(extension, now)
    }

    /// An extension that has been decided still hears from a node: worth knowing, no more.
    pub fn extension_late(&mut self, node: usize, ballot: Ballot) {
        if self.phase == Phase::Held {
            self.note(node, ballot);
        }
    }

    /// Takes in all that the nodes of an extension have said, also after it was decided.
    ///
    /// An extension fails as soon as it cannot succeed, which may be for nodes that failed; if so
    /// many others definitely do not have the key that no quorum is left, the lock is lost all the
    /// same (requirement R32).
    pub fn extension_returned(&mut self, returned: &Tally) -> Option<Loss> {
        let lost = returned.refused().len() >= self.quorum.blocking()
            && !mutant::is(Mutant::DefiniteNoIgnored);
        (lost && self.phase == Phase::Held).then(|| self.lose(LossReason::QuorumLost))
    }

    fn step(&mut self, extension: &Extension, now: Moment) -> ExtensionStep {
        match extension.round.verdict() {
            Verdict::Open => ExtensionStep::Open,
            Verdict::Carried => {
                let end =
                    extension.started.after(self.timing.validity(extension.ttl)).min(self.limit);
                self.until = self.until.max(end);
                if mutant::is(Mutant::ExtensionShortens) {
                    self.until = end;
                }
                ExtensionStep::Extended(self.until)
            }
            // A blocking minority that definitely does not have the key leaves no quorum (R32),
            // even though the clock would still allow it. Failures prove nothing.
            _ if extension.tally().refused().len() >= self.quorum.blocking()
                && !mutant::is(Mutant::DefiniteNoIgnored) =>
            {
                ExtensionStep::Lost(self.lose(LossReason::QuorumLost))
            }
            _ if now >= self.until => ExtensionStep::Lost(self.lose(LossReason::Expired)),
            verdict => {
                if mutant::is(Mutant::FailedExtensionReleases) {
                    let (reason, release) = (LossReason::Expired, self.votes.held);
                    return ExtensionStep::Lost(Loss { reason, release });
                }
                ExtensionStep::Unchanged(verdict)
            }
        }
    }
}
