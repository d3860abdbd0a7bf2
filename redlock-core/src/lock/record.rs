use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{aftermath::Fate, calls::Claim, settings::Terms, shared::Shared};
use crate::{
    Fingerprint,
    observe::{Adopted, Extended, ExtendedBy, HandedOn, Healed, Lost, NotExtended, Released},
    proto::{Ballot, Ending, Extension, Moment, Tenure, Vote},
};

/// What those who look on are told of one held lock. Nothing, if nobody does.
pub(super) struct Record(Option<Box<Inner>>);

struct Inner {
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    began: Moment,
    /// Its end has been told.
    over: AtomicBool,
}

impl Record {
    /// A lock of which nothing is told.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// A lock that is about to be held.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        claim: &Arc<Claim>,
        tenure: &Tenure,
        terms: &Terms,
    ) -> Self {
        if !shared.onlookers.are_there() {
            return Self(None);
        }
        let began = shared.now();
        let (shared, claim) = (Arc::clone(shared), Arc::clone(claim));
        let inner = Box::new(Inner { shared, claim, began, over: AtomicBool::new(false) });
        if !terms.quest.acquired(&inner.claim.token, tenure) {
            let event = Adopted {
                resources: &inner.claim.resources,
                token: inner.token(),
                validity: tenure.remaining(began),
                fence: tenure.fence(),
            };
            inner.shared.onlookers.tell(|observer| observer.adopted(&event));
        }
        Self(Some(inner))
    }

    /// Whether somebody wants to be told of the end when it comes, and not when it is next looked at.
    pub(super) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// An extension has been carried; the lock is held until this moment now.
    pub(super) fn extended(
        &self,
        extension: &Extension,
        by_holder_until: impl FnOnce() -> Option<Moment>,
        old_end: Moment,
        until: Moment,
    ) {
        let Some(inner) = &self.0 else { return };
        let now = inner.shared.now();
        let event = Extended {
            resources: &inner.claim.resources,
            token: inner.token(),
            by: by(extension, by_holder_until()),
            margin: old_end.since(now),
            validity: until.since(now),
            tally: extension.tally(),
        };
        inner.shared.onlookers.tell(|observer| observer.extended(&event));
    }

    /// An extension has failed; the lock is held until this moment as before.
    pub(super) fn not_extended(
        &self,
        extension: &Extension,
        by_holder_until: impl FnOnce() -> Option<Moment>,
        until: Moment,
    ) {
        let Some(inner) = &self.0 else { return };
        let event = NotExtended {
            resources: &inner.claim.resources,
            token: inner.token(),
            by: by(extension, by_holder_until()),
            margin: until.since(inner.shared.now()),
            tally: extension.tally(),
        };
        inner.shared.onlookers.tell(|observer| observer.not_extended(&event));
    }

    /// A node that was asked to have the key again has answered, and this is to be done about it.
    pub(super) fn healed(&self, node: usize, ballot: Ballot, fate: Fate) -> Fate {
        let granted = matches!(ballot, Ballot::Cast(Vote::Granted { .. }));
        if let (Some(inner), Fate::Forget, true) = (&self.0, fate, granted)
            && let Some(label) = inner.shared.labels.get(node)
            // One that was handed on has gone on without this process.
            && !inner.over.load(Ordering::Relaxed)
        {
            let event = Healed { resources: &inner.claim.resources, token: inner.token(), label };
            inner.shared.onlookers.tell(|observer| observer.healed(&event));
        }
        fate
    }

    /// The lock has come to its end, whoever says so: it is told once.
    pub(super) fn ended(&self, ending: Option<Ending>, until: Moment) {
        let (Some(inner), Some(ending)) = (&self.0, ending) else { return };
        if inner.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let now = inner.shared.now();
        let (resources, token) = (&inner.claim.resources, inner.token());
        let (held, margin) = (now.since(inner.began), until.since(now));
        inner.shared.onlookers.tell(|observer| match ending {
            Ending::Lost(reason) => observer.lost(&Lost { resources, token, reason, held, margin }),
            Ending::Released => observer.released(&Released { resources, token, held, margin }),
            Ending::GivenAway => observer.handed_on(&HandedOn { resources, token, held, margin }),
        });
    }
}

impl Inner {
    fn token(&self) -> Fingerprint {
        self.claim.token.fingerprint()
    }
}

/// Who made this extension, if the holder's own, that may be under way, waits until this moment.
fn by(extension: &Extension, by_holder_until: Option<Moment>) -> ExtendedBy {
    let by_holder = by_holder_until.is_some_and(|until| extension.started() < until);
    if by_holder { ExtendedBy::Holder } else { ExtendedBy::Renewal }
}
