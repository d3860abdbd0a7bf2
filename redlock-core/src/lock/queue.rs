mod queued;
mod turn;

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::channel::oneshot;

use self::turn::{Failure, Inner};
pub(super) use self::{queued::Queued, turn::Turn};
use super::{ears::Hearing, pulse::Pulse, reaper::Reaper};
use crate::{
    Resource, ResourceSet, Token,
    proto::{Moment, NodeSet},
};

/// Who of this process may ask the nodes for which resource, or which set of them: one at a time,
/// in the order in which they came (requirement R52).
///
/// A set has a queue of its own, apart from those of its resources and of sets that overlap with
/// it: those it meets at the nodes, like the locks of other processes. So nobody in a queue has
/// anything that another queue waits for.
///
/// A resource is in here while somebody has it or asks for it, and a moment longer if others were
/// told that it is free. It knows nothing of those who try without waiting and found somebody here:
/// they ask the nodes beside the queue.
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

/// A place in the queue.
pub(super) enum Entered {
    Now(Turn),
    Behind(Queued),
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
        let turn = Turn::begin(queues, resources, not_before);
        let place = Place::Taken { turn: Arc::downgrade(&turn.0), behind: BTreeMap::new() };
        if let Some(Place::Free { entry, .. }) = self.places.insert(resources.clone(), place) {
            self.lingering.remove(&entry);
        }
        turn
    }

    /// Nobody has it and nobody asks for it.
    fn leave(&mut self, resources: &ResourceSet, courtesy: Moment, now: impl FnOnce() -> Moment) {
        if courtesy == Moment::ORIGIN && self.lingering.is_empty() {
            // Mostly nobody comes first, and nothing depends on the time.
            self.places.remove(resources);
            return;
        }
        let now = now();
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
        let round_trips = listeners.saturating_add(2);
        MOST_COURTESY.min(self.pulse.round_trip().saturating_mul(round_trips))
    }

    /// No invariant spans a panic here: each use is a few statements that cannot panic. Nothing is
    /// dropped under it that could come back here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// Others have had their chance by then, however many they are.
const MOST_COURTESY: Duration = Duration::from_millis(50);
