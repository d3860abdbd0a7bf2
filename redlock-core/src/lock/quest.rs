use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    AttemptOutcome, ResourceSet, Runtime, Token,
    observe::{Acquired, Attempted, Contended, GaveUp, GaveUpReason, Onlookers, Waited, Waiting},
    proto::{Attempt, Moment, Obstacle, Tenure, Verdict},
};

/// A call that wants a lock, as those who look on see it: when it began, how many attempts it has
/// made, and whether it waits. Nothing, if nobody looks on.
#[derive(Clone, Debug, Default)]
pub(super) struct Quest(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    onlookers: Onlookers,
    runtime: Arc<dyn Runtime>,
    resources: ResourceSet,
    began: Moment,
    attempts: AtomicU32,
    waiting: Mutex<Wait>,
}

/// A call waits once at most.
#[derive(Clone, Copy, Debug, Default)]
enum Wait {
    #[default]
    NotYet,
    Since(Moment),
    Over,
}

/// The call itself, which has to say how it ends. Dropped, it was cancelled.
#[must_use = "a call that is dropped counts as cancelled"]
pub(super) struct Seeking(Quest);

/// One attempt, of which it has to be told what came of it.
pub(super) struct Try {
    quest: Quest,
    number: u32,
}

impl Quest {
    pub(super) fn new(
        onlookers: &Onlookers,
        runtime: &Arc<dyn Runtime>,
        resources: &ResourceSet,
    ) -> Self {
        Self(onlookers.are_there().then(|| {
            Arc::new(Inner {
                onlookers: onlookers.clone(),
                runtime: Arc::clone(runtime),
                resources: resources.clone(),
                began: runtime.now(),
                attempts: AtomicU32::new(0),
                waiting: Mutex::default(),
            })
        }))
    }

    /// To be called once, by the call.
    pub(super) fn begin(&self) -> Seeking {
        Seeking(self.clone())
    }

    pub(super) fn attempt(&self) -> Try {
        let number = self.0.as_ref().map(|inner| inner.attempts.fetch_add(1, Ordering::Relaxed));
        Try { quest: self.clone(), number: number.unwrap_or_default().saturating_add(1) }
    }

    /// It has to wait, or goes on to.
    pub(super) fn waits(&self) {
        let Some(inner) = &self.0 else { return };
        let now = inner.runtime.now();
        let first = {
            let mut waiting = inner.waiting();
            let first = matches!(*waiting, Wait::NotYet);
            if first {
                *waiting = Wait::Since(now);
            }
            first
        };
        if first {
            let event = Waiting { resources: &inner.resources };
            inner.onlookers.tell(|observer| observer.waiting(&event));
        }
    }

    /// It has got the lock. `false` if that is not known, for nobody looked on from the beginning.
    pub(super) fn acquired(&self, token: &Token, tenure: &Tenure) -> bool {
        let Some(inner) = &self.0 else { return false };
        let now = inner.runtime.now();
        inner.waits_no_longer(now);
        let event = Acquired {
            resources: &inner.resources,
            token: token.fingerprint(),
            attempts: inner.attempts.load(Ordering::Relaxed),
            waited: now.since(inner.began),
            validity: tenure.remaining(now),
            fence: tenure.fence(),
        };
        inner.onlookers.tell(|observer| observer.acquired(&event));
        true
    }
}

impl Inner {
    fn waits_no_longer(&self, now: Moment) {
        let before = mem::replace(&mut *self.waiting(), Wait::Over);
        if let Wait::Since(since) = before {
            let event = Waited { resources: &self.resources, time: now.since(since) };
            self.onlookers.tell(|observer| observer.waited(&event));
        }
    }

    fn gave_up(&self, reason: GaveUpReason) {
        let now = self.runtime.now();
        self.waits_no_longer(now);
        let event = GaveUp {
            resources: &self.resources,
            reason,
            attempts: self.attempts.load(Ordering::Relaxed),
            waited: now.since(self.began),
        };
        self.onlookers.tell(|observer| observer.gave_up(&event));
    }

    /// No invariant spans a panic here.
    fn waiting(&self) -> MutexGuard<'_, Wait> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seeking {
    /// The call ends with this result, and for this reason if it is an error.
    pub(super) fn end<T, E>(
        mut self,
        result: Result<T, E>,
        reason: impl FnOnce(&E) -> GaveUpReason,
    ) -> Result<T, E> {
        if let Some(inner) = self.0.0.take() {
            match &result {
                // An owner who takes his lock once more may have waited for himself.
                Ok(_) => inner.waits_no_longer(inner.runtime.now()),
                Err(error) => inner.gave_up(reason(error)),
            }
        }
        result
    }
}

impl Drop for Seeking {
    fn drop(&mut self) {
        if let Some(inner) = self.0.0.take() {
            inner.gave_up(GaveUpReason::Cancelled);
        }
    }
}

impl Try {
    pub(super) fn granted(&mut self, token: &Token, attempt: &Attempt) {
        self.ended(token, attempt, AttemptOutcome::Granted);
    }

    pub(super) fn failed(&mut self, token: &Token, attempt: &Attempt, verdict: Verdict) {
        let outcome = match verdict {
            Verdict::Refused => AttemptOutcome::Contended,
            Verdict::TooLate => AttemptOutcome::TooSlow,
            // The other two are no failures and come from no decided round.
            Verdict::Unreachable | Verdict::Open | Verdict::Carried => AttemptOutcome::Unavailable,
        };
        self.ended(token, attempt, outcome);
    }

    /// Its future is dropped, unless it has been told before what came of it.
    pub(super) fn cancelled(&mut self, token: &Token, attempt: &Attempt) {
        self.ended(token, attempt, AttemptOutcome::Cancelled);
    }

    fn ended(&mut self, token: &Token, attempt: &Attempt, outcome: AttemptOutcome) {
        let Some(inner) = self.quest.0.take() else { return };
        let (resources, number, tally) = (&inner.resources, self.number, attempt.tally());
        let event = Attempted {
            resources,
            token: token.fingerprint(),
            number,
            outcome,
            tally: &tally,
            took: inner.runtime.now().since(attempt.started()),
        };
        inner.onlookers.tell(|observer| observer.attempted(&event));
        if outcome == AttemptOutcome::Contended {
            let holder = match Obstacle::of(&tally) {
                Obstacle::Held(holder) => Some(holder),
                _ => None,
            };
            let event = Contended { resources, holder, remaining: tally.quorum_free_in(), number };
            inner.onlookers.tell(|observer| observer.contended(&event));
        }
    }
}
