use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use futures::channel::oneshot;

use super::{Entered, Place, Queued, Queues, Watched, nanos};
use crate::{
    ResourceSet,
    lock::ears::Ears,
    proto::{
        Moment,
        mutant::{self, Mutant},
    },
};

/// The right to ask for a resource, and to have it. Clones are the same right, which goes to the
/// next when the last of them is dropped.
#[derive(Clone)]
pub(in crate::lock) struct Turn(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) queues: Arc<Queues>,
    pub(super) resources: ResourceSet,
    /// Not before this others have had the time to take what they were told of.
    pub(super) not_before: Moment,
    /// How often the lock went to the next of this process without anybody else being told.
    pub(super) handovers: u32,
    /// How many are behind.
    pub(super) behind: AtomicUsize,
    /// The lock was given up quietly for whoever has this turn, and he has not asked for it yet.
    pub(super) owed: AtomicBool,
    /// Somebody of this process has taken the lock without a turn, so it is owed to nobody.
    pub(super) taken_beside: AtomicBool,
    /// When whoever has the turn does something again, or has last done something, in nanoseconds.
    /// Zero while nobody has been behind, who alone wants to know.
    pub(super) stirred: AtomicU64,
    /// The lock that has come of it.
    pub(super) lock: OnceLock<Weak<dyn Watched>>,
    pub(super) rest: Mutex<Rest>,
}

/// Why nobody gets the lock, for those behind to tell, whatever they call it.
pub(in crate::lock) type Failure = Arc<dyn std::error::Error + Send + Sync>;

/// What a turn leaves to the next.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) ears: Option<Ears>,
    pub(super) given_up: Option<GivenUp>,
    /// Why the last attempt failed, if not because of others: those behind, who do not ask, have
    /// not met anybody either.
    pub(super) failure: Option<Failure>,
}

/// How a lock was given up.
pub(super) enum GivenUp {
    /// Without anybody being told.
    Quietly,
    /// After so many were told.
    Told(u32),
}

impl Turn {
    /// Nobody's before.
    pub(super) fn begin(queues: &Arc<Queues>, resources: &ResourceSet, not_before: Moment) -> Self {
        Self(Arc::new(Inner {
            queues: Arc::clone(queues),
            resources: resources.clone(),
            not_before,
            handovers: 0,
            behind: AtomicUsize::new(0),
            owed: AtomicBool::new(false),
            taken_beside: AtomicBool::new(false),
            stirred: AtomicU64::new(0),
            lock: OnceLock::new(),
            rest: Mutex::default(),
        }))
    }

    /// Takes a place in the queue of this resource.
    pub(in crate::lock) fn enter(queues: &Arc<Queues>, resources: &ResourceSet) -> Entered {
        let mut state = queues.state();
        if let Some(not_before) = state.free_after(resources) {
            return Entered::Now(state.take(queues, resources, not_before));
        }
        state.numbered += 1;
        let number = state.numbered;
        let (sender, receiver) = oneshot::channel();
        // Whose turn it is may be about to hand it on, and then is not known; but there is one.
        let mut before = None;
        if let Some(Place::Taken { turn, behind }) = state.places.get_mut(resources) {
            behind.insert(number, sender);
            before = turn.upgrade();
        }
        drop(state);
        if let Some(turn) = before {
            turn.behind.fetch_add(1, Ordering::Relaxed);
            let (now, order) = (nanos(queues.hearing.now()), Ordering::Relaxed);
            // Otherwise he has said so himself, or somebody else has come before.
            let _ = turn.stirred.compare_exchange(0, now, order, order);
            // Nobody looks at the end of a lock that is not renewed, and its guard may be forgotten.
            turn.watch();
        }
        let (queues, resources) = (Arc::clone(queues), resources.clone());
        Entered::Behind(Queued { queues, resources, number, turn: receiver })
    }

    /// The turn, if it is nobody's.
    pub(in crate::lock) fn enter_alone(
        queues: &Arc<Queues>,
        resources: &ResourceSet,
    ) -> Option<Self> {
        let mut state = queues.state();
        let not_before = state.free_after(resources)?;
        Some(state.take(queues, resources, not_before))
    }

    /// Whoever has the turn has something to do with it at this moment, and not before.
    pub(in crate::lock) fn rests_until(&self, moment: Moment) {
        self.0.stirred.store(nanos(moment), Ordering::Relaxed);
    }

    /// Until when others come first.
    pub(in crate::lock) fn not_before(&self) -> Moment {
        self.0.not_before
    }

    /// The nodes have been asked: what was owed to those who wait is paid, for whoever has the lock
    /// now, or is about to, will tell them.
    pub(in crate::lock) fn used(&self) {
        self.0.owed.store(false, Ordering::Relaxed);
    }

    /// An attempt has failed: with this, unless it was because somebody else has the lock.
    pub(in crate::lock) fn failed(&self, failure: Option<Failure>) {
        let before = mem::replace(&mut self.0.rest().failure, failure);
        drop(before);
    }

    /// The lock has been had, so who has it will tell of it.
    pub(in crate::lock) fn held(&self, lock: Weak<dyn Watched>) {
        if !mutant::is(Mutant::OwedForEver) {
            self.used();
        }
        // Nobody else sets it: a turn is had once.
        let _ = self.0.lock.set(lock);
        // Whoever took it beside has given it up since.
        self.0.taken_beside.store(false, Ordering::Relaxed);
        if self.0.has_followers() {
            self.0.watch();
        }
        let failure = self.0.rest().failure.take();
        drop(failure);
    }

    /// The ears of whoever had the turn before.
    pub(in crate::lock) fn ears(&self) -> Option<Ears> {
        self.0.rest().ears.take()
    }

    /// Ears for whoever comes next, if anybody does.
    pub(in crate::lock) fn leave_ears(&self, ears: Ears) {
        if self.0.has_followers() {
            self.0.rest().ears = Some(ears);
        }
    }

    /// Whether the lock goes to the next of this process, so that nobody else need be told that it
    /// is given up.
    pub(in crate::lock) fn goes_on_quietly(&self) -> bool {
        let quietly = self.0.has_followers() && self.0.handovers < self.0.queues.handovers;
        if quietly {
            self.0.rest().given_up = Some(GivenUp::Quietly);
        }
        quietly
    }

    /// So many have been told that the lock is given up.
    pub(in crate::lock) fn told(&self, listeners: u32) {
        let mut rest = self.0.rest();
        if rest.given_up.is_none() {
            // One of them is this process, if it listens.
            let own = u32::from(rest.ears.is_some());
            rest.given_up = Some(GivenUp::Told(listeners.saturating_sub(own)));
        }
    }
}

impl Inner {
    /// No invariant spans a panic here.
    pub(super) fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_followers(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > 0
    }

    /// Has the clock looked at now and then, which tells when the lock has ended by itself.
    fn watch(&self) {
        if let Some(lock) = self.lock.get().and_then(Weak::upgrade) {
            lock.watch();
        }
    }
}

impl Drop for Inner {
    /// The next one's turn. Whoever has stopped waiting is passed over.
    fn drop(&mut self) {
        let rest = self.rest.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Rest { ears, given_up, failure } = mem::take(rest);
        let (handovers, not_before) = match given_up {
            Some(GivenUp::Quietly) => (self.handovers.saturating_add(1), Moment::ORIGIN),
            Some(GivenUp::Told(0)) => (0, Moment::ORIGIN),
            Some(GivenUp::Told(listeners)) => {
                (0, self.queues.hearing.now().after(self.queues.courtesy(listeners)))
            }
            None => (self.handovers, self.not_before),
        };
        let quietly = matches!(given_up, Some(GivenUp::Quietly));
        let owed = (quietly || *self.owed.get_mut()) && !*self.taken_beside.get_mut();
        let next = Handover { not_before, handovers, owed, ears, failure };
        next.give(&self.queues, &self.resources);
    }
}

/// What the next one gets with his turn.
struct Handover {
    not_before: Moment,
    handovers: u32,
    owed: bool,
    ears: Option<Ears>,
    failure: Option<Failure>,
}

impl Handover {
    fn give(self, queues: &Arc<Queues>, resources: &ResourceSet) {
        let mut state = queues.state();
        let Some(Place::Taken { turn, behind }) = state.places.get_mut(resources) else {
            return;
        };
        let Some((_, sender)) = behind.pop_first() else {
            state.leave(resources, self.not_before, || queues.hearing.now());
            drop(state);
            if self.owed && !mutant::is(Mutant::HandoverForgotten) {
                queues.reaper.take(Arc::clone(&queues.hearing).tell_all(resources.clone()));
            }
            return;
        };
        let inner = Arc::new(Inner {
            queues: Arc::clone(queues),
            resources: resources.clone(),
            not_before: self.not_before,
            handovers: self.handovers,
            behind: AtomicUsize::new(behind.len()),
            owed: AtomicBool::new(self.owed),
            taken_beside: AtomicBool::new(false),
            stirred: AtomicU64::new(nanos(queues.hearing.now())),
            lock: OnceLock::new(),
            rest: Mutex::new(Rest { ears: self.ears, given_up: None, failure: self.failure }),
        });
        *turn = Arc::downgrade(&inner);
        drop(state);
        // One who has gone in this very moment leaves it to the one behind him: the turn is dropped.
        drop(sender.send(Turn(inner)));
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("resources", &self.resources).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
