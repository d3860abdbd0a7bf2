use std::{
    collections::{BTreeMap, HashMap},
    fmt, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, channel::oneshot};

use super::{
    ears::{Ears, Hearing},
    pulse::Pulse,
    reaper::Reaper,
};
use crate::{
    Resource, ResourceSet, Token,
    proto::{
        Moment, NodeSet,
        mutant::{self, Mutant},
    },
};

/// Who of this process may ask the nodes for which resource, or which set of them: one at a time,
/// in the order in which they came (requirement R52).
///
/// A set has a queue of its own, apart from those of its resources and of sets that overlap with
/// it: those it meets at the nodes, like the locks of other processes. So nobody in a queue has
/// anything that another queue waits for.
///
/// A resource is in here while somebody has it or asks for it, and a moment longer if others were told that it is
/// free. It knows nothing of those who try without waiting and found somebody here: they ask the
/// nodes beside the queue.
#[derive(Debug)]
pub(super) struct Queues {
    state: Mutex<State>,
    /// How often in a row a lock goes to the next of this process without others being told.
    handovers: u32,
    pulse: Arc<Pulse>,
    hearing: Arc<Hearing>,
    reaper: Reaper,
}

/// A lock that somebody has, as those behind him see it.
pub(super) trait Watched: Send + Sync {
    /// Has the clock looked at now and then, which tells when the lock has ended by itself.
    fn watch(self: Arc<Self>);

    /// These tokens have been removed from these nodes for good, and one of them may be its own.
    fn uprooted(self: Arc<Self>, tokens: &[Token], gone: NodeSet);
}

#[derive(Debug, Default)]
struct State {
    places: HashMap<ResourceSet, Place>,
    /// The resources that nobody has and nobody asks for, and when each can be forgotten.
    lingering: BTreeMap<(Moment, u64), ResourceSet>,
    numbered: u64,
}

#[derive(Debug)]
enum Place {
    /// Somebody's turn, and those behind him.
    Taken { turn: Weak<Inner>, behind: BTreeMap<u64, oneshot::Sender<Turn>> },
    /// Nobody's, until this moment: others have been told that it is free, and come first.
    Free { courtesy: Moment, entry: (Moment, u64) },
}

/// The right to ask for a resource, and to have it. Clones are the same right, which goes to the
/// next when the last of them is dropped.
#[derive(Clone)]
pub(super) struct Turn(Arc<Inner>);

struct Inner {
    queues: Arc<Queues>,
    resources: ResourceSet,
    /// Not before this others have had the time to take what they were told of.
    not_before: Moment,
    /// How often the lock went to the next of this process without anybody else being told.
    handovers: u32,
    /// How many are behind.
    behind: AtomicUsize,
    /// The lock was given up quietly for whoever has this turn, and he has not asked for it yet.
    owed: AtomicBool,
    /// Somebody of this process has taken the lock without a turn, so it is owed to nobody.
    taken_beside: AtomicBool,
    /// When whoever has the turn does something again, or has last done something, in nanoseconds.
    stirred: AtomicU64,
    /// The lock that has come of it.
    lock: OnceLock<Weak<dyn Watched>>,
    rest: Mutex<Rest>,
}

/// Why nobody gets the lock, for those behind to tell, whatever they call it.
pub(super) type Failure = Arc<dyn std::error::Error + Send + Sync>;

/// What a turn leaves to the next.
#[derive(Default)]
struct Rest {
    ears: Option<Ears>,
    given_up: Option<GivenUp>,
    /// Why the last attempt failed, if not because of others: those behind, who do not ask, have
    /// not met anybody either.
    failure: Option<Failure>,
}

/// How a lock was given up.
enum GivenUp {
    /// Without anybody being told.
    Quietly,
    /// After so many were told.
    Told(u32),
}

/// A place in the queue.
pub(super) enum Entered {
    Now(Turn),
    Behind(Queued),
}

/// One who waits for his turn. Dropped, he has left the queue.
pub(super) struct Queued {
    queues: Arc<Queues>,
    resources: ResourceSet,
    number: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Turn {
    /// Takes a place in the queue of this resource.
    pub(super) fn enter(queues: &Arc<Queues>, resources: &ResourceSet) -> Entered {
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
            // Nobody looks at the end of a lock that is not renewed, and its guard may be forgotten.
            turn.watch();
        }
        let (queues, resources) = (Arc::clone(queues), resources.clone());
        Entered::Behind(Queued { queues, resources, number, turn: receiver })
    }

    /// The turn, if it is nobody's.
    pub(super) fn enter_alone(queues: &Arc<Queues>, resources: &ResourceSet) -> Option<Self> {
        let mut state = queues.state();
        let not_before = state.free_after(resources)?;
        Some(state.take(queues, resources, not_before))
    }

    /// Whoever has the turn has something to do with it at this moment, and not before.
    pub(super) fn rests_until(&self, moment: Moment) {
        self.0.stirred.store(nanos(moment), Ordering::Relaxed);
    }

    /// Until when others come first.
    pub(super) fn not_before(&self) -> Moment {
        self.0.not_before
    }

    /// The nodes have been asked: what was owed to those who wait is paid, for whoever has the lock
    /// now, or is about to, will tell them.
    pub(super) fn used(&self) {
        self.0.owed.store(false, Ordering::Relaxed);
    }

    /// An attempt has failed: with this, unless it was because somebody else has the lock.
    pub(super) fn failed(&self, failure: Option<Failure>) {
        let before = mem::replace(&mut self.0.rest().failure, failure);
        drop(before);
    }

    /// The lock has been had, so who has it will tell of it.
    pub(super) fn held(&self, lock: Weak<dyn Watched>) {
        if !mutant::is(Mutant::OwedForEver) {
            self.used();
        }
        // Nobody else sets it: a turn is had once.
        let _ = self.0.lock.set(lock);
        if self.0.has_followers() {
            self.0.watch();
        }
        let failure = self.0.rest().failure.take();
        drop(failure);
    }

    /// The ears of whoever had the turn before.
    pub(super) fn ears(&self) -> Option<Ears> {
        self.0.rest().ears.take()
    }

    /// Ears for whoever comes next, if anybody does.
    pub(super) fn leave_ears(&self, ears: Ears) {
        if self.0.has_followers() {
            self.0.rest().ears = Some(ears);
        }
    }

    /// Whether the lock goes to the next of this process, so that nobody else need be told that it
    /// is given up.
    pub(super) fn goes_on_quietly(&self) -> bool {
        let quietly = self.0.has_followers() && self.0.handovers < self.0.queues.handovers;
        if quietly {
            self.0.rest().given_up = Some(GivenUp::Quietly);
        }
        quietly
    }

    /// So many have been told that the lock is given up.
    pub(super) fn told(&self, listeners: u32) {
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
    fn rest(&self) -> MutexGuard<'_, Rest> {
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
        let Rest { ears, given_up, failure } = mem::take(&mut *self.rest());
        let now = self.queues.hearing.now();
        let (handovers, courtesy) = match given_up {
            Some(GivenUp::Quietly) => (self.handovers.saturating_add(1), now),
            Some(GivenUp::Told(listeners)) => (0, now.after(self.queues.courtesy(listeners))),
            None => (self.handovers, self.not_before),
        };
        let quietly = matches!(given_up, Some(GivenUp::Quietly));
        let owed = (quietly || *self.owed.get_mut()) && !*self.taken_beside.get_mut();
        let next = Handover { not_before: courtesy, handovers, owed, ears, failure };
        next.give(&self.queues, &self.resources, now);
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
    fn give(self, queues: &Arc<Queues>, resources: &ResourceSet, now: Moment) {
        let mut state = queues.state();
        let Some(Place::Taken { turn, behind }) = state.places.get_mut(resources) else {
            return;
        };
        let Some((_, sender)) = behind.pop_first() else {
            state.leave(resources, self.not_before, now);
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
            stirred: AtomicU64::new(nanos(now)),
            lock: OnceLock::new(),
            rest: Mutex::new(Rest { ears: self.ears, given_up: None, failure: self.failure }),
        });
        *turn = Arc::downgrade(&inner);
        drop(state);
        // One who has gone in this very moment leaves it to the one behind him: the turn is dropped.
        drop(sender.send(Turn(inner)));
    }
}

impl State {
    /// That it is nobody's turn, and until when others come first; `None` if it is somebody's.
    fn free_after(&self, resources: &ResourceSet) -> Option<Moment> {
        match self.places.get(resources) {
            Some(Place::Taken { .. }) => None,
            Some(Place::Free { courtesy, .. }) => Some(*courtesy),
            None => Some(Moment::ORIGIN),
        }
    }

    fn take(&mut self, queues: &Arc<Queues>, resources: &ResourceSet, not_before: Moment) -> Turn {
        let inner = Arc::new(Inner {
            queues: Arc::clone(queues),
            resources: resources.clone(),
            not_before,
            handovers: 0,
            behind: AtomicUsize::new(0),
            owed: AtomicBool::new(false),
            taken_beside: AtomicBool::new(false),
            stirred: AtomicU64::new(nanos(queues.hearing.now())),
            lock: OnceLock::new(),
            rest: Mutex::default(),
        });
        let place = Place::Taken { turn: Arc::downgrade(&inner), behind: BTreeMap::new() };
        if let Some(Place::Free { entry, .. }) = self.places.insert(resources.clone(), place) {
            self.lingering.remove(&entry);
        }
        Turn(inner)
    }

    /// Nobody has it and nobody asks for it.
    fn leave(&mut self, resources: &ResourceSet, courtesy: Moment, now: Moment) {
        let later = self.lingering.split_off(&(now, 0));
        for forgotten in mem::replace(&mut self.lingering, later).into_values() {
            self.places.remove(&forgotten);
        }
        if courtesy <= now {
            self.places.remove(resources);
            return;
        }
        self.numbered += 1;
        let entry = (courtesy, self.numbered);
        self.lingering.insert(entry, resources.clone());
        self.places.insert(resources.clone(), Place::Free { courtesy, entry });
    }
}

impl Queues {
    pub(super) fn new(
        handovers: u32,
        pulse: Arc<Pulse>,
        hearing: Arc<Hearing>,
        reaper: Reaper,
    ) -> Self {
        Self { state: Mutex::default(), handovers, pulse, hearing, reaper }
    }

    /// Whoever had this resource by one of these tokens has been removed from these nodes for good.
    /// If it is somebody of this process he is told, and those behind him need not wait until he
    /// finds out.
    pub(super) fn uprooted(&self, resource: &Resource, tokens: &[Token], gone: NodeSet) {
        let turns: Vec<Arc<Inner>> = {
            let state = self.state();
            let concerned = state.places.iter().filter(|(set, _)| set.contains(resource));
            let turn = |place: &Place| match place {
                Place::Taken { turn, .. } => turn.upgrade(),
                Place::Free { .. } => None,
            };
            concerned.filter_map(|(_, place)| turn(place)).collect()
        };
        // They may be the last clones, and are dropped when nothing is locked.
        for lock in turns.iter().filter_map(|turn| turn.lock.get()?.upgrade()) {
            lock.uprooted(tokens, gone);
        }
    }

    /// How long others need who were told that a lock is free, and come first.
    fn courtesy(&self, listeners: u32) -> Duration {
        match listeners {
            0 => Duration::ZERO,
            some => {
                let round_trips = some.saturating_add(2);
                MOST_COURTESY.min(self.pulse.round_trip().saturating_mul(round_trips))
            }
        }
    }

    /// No invariant spans a panic here: each use is a few statements that cannot panic. Nothing is
    /// dropped under it that could come back here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queued {
    /// Whether he is next, and whoever has the turn has not stirred for so long after he should.
    pub(super) fn is_held_up(&self, long: Duration) -> bool {
        let (mut is_next, mut turn) = (false, None);
        if let Some(Place::Taken { turn: whose, behind }) =
            self.queues.state().places.get(&self.resources)
        {
            is_next = behind.first_key_value().is_some_and(|(first, _)| *first >= self.number);
            turn = whose.upgrade();
        }
        // It may be the last clone, and is dropped when nothing is locked.
        let Some(turn) = turn else { return is_next };
        let idle =
            nanos(self.queues.hearing.now()).saturating_sub(turn.stirred.load(Ordering::Relaxed));
        is_next && Duration::from_nanos(idle) >= long
    }

    /// He has the lock without it having been his turn, so nobody need be told that it is free.
    pub(super) fn took(&self) {
        let turn = match self.queues.state().places.get(&self.resources) {
            Some(Place::Taken { turn, .. }) => turn.upgrade(),
            _ => None,
        };
        if let Some(turn) = turn {
            turn.taken_beside.store(true, Ordering::Relaxed);
        }
    }

    /// Why the last attempt of whoever asks failed, if not because of others.
    pub(super) fn failure(&self) -> Option<Failure> {
        let turn = match self.queues.state().places.get(&self.resources) {
            Some(Place::Taken { turn, .. }) => turn.upgrade(),
            _ => None,
        };
        // It may be the last clone, and is dropped when nothing is locked.
        let turn = turn?;
        turn.rest().failure.clone()
    }
}

impl Future for Queued {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.turn.poll_unpin(cx) {
            Poll::Ready(Ok(turn)) => Poll::Ready(turn),
            // Not while the queue is there, and that is for as long as this is.
            Poll::Ready(Err(oneshot::Canceled)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if mutant::is(Mutant::TurnKept)
            && let Ok(Some(turn)) = self.turn.try_recv()
        {
            mem::forget(turn);
        }
        let (mut left, mut turn) = (None, None);
        if let Some(Place::Taken { turn: whose, behind }) =
            self.queues.state().places.get_mut(&self.resources)
        {
            left = behind.remove(&self.number);
            if left.is_some() {
                turn = whose.upgrade();
            }
        }
        // Nothing of this while anything is locked: who is woken may come back, and of the turn
        // this one may be the last clone.
        drop(left);
        let Some(turn) = turn else { return };
        if turn.behind.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nobody waits any more, so nobody listens.
            let ears = turn.rest().ears.take();
            drop(ears);
        }
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

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// Others have had their chance by then, however many they are.
const MOST_COURTESY: Duration = Duration::from_millis(50);
