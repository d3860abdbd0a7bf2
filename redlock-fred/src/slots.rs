use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::clients::Client;
use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use redlock_core::NodeError;
use tokio::runtime::Id;

use crate::{error, link::Session};

/// The connections of a node, one for each runtime.
///
/// Nothing is dropped, and no task spawned, while the slots are locked: either may drop a task of
/// a runtime that is ending, and with it a [`Tenancy`](crate::link::Tenancy), which locks them too.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Mutex<Vec<Slot>>,
    next: AtomicU64,
}

struct Slot {
    runtime: Id,
    generation: u64,
    state: State,
    /// Dropped with the slot, which ends the task of the connection.
    _wanted: oneshot::Sender<()>,
}

impl Slot {
    fn is_outdated(&self) -> bool {
        matches!(self.state, State::Failed { since, .. } if since.elapsed() >= PAUSE)
    }
}

/// What there is in the place of a connection.
pub(crate) enum State {
    Connecting(Waiting),
    Connected(Client),
    Failed { since: Instant, error: NodeError },
}

/// What becomes of an attempt, for all who wait for it.
pub(crate) type Waiting = Shared<BoxFuture<'static, Result<Session, NodeError>>>;

/// What a caller finds who needs a connection.
pub(crate) enum Found {
    /// There is one, or there has just been none to be had.
    Known(Result<Session, NodeError>),
    /// An attempt is under way.
    Coming(Waiting),
    /// Nobody is making one: the caller must start an attempt of this generation.
    Missing {
        generation: u64,
        waiting: Waiting,
        report: oneshot::Sender<Result<Session, NodeError>>,
        unwanted: oneshot::Receiver<()>,
    },
}

impl Slots {
    /// The connection of this runtime. `label` is the node's.
    pub(crate) fn find(&self, runtime: Id, label: &Arc<str>) -> Found {
        let mut slots = self.slots();
        if let Some(slot) = slots.iter().find(|slot| slot.runtime == runtime) {
            match &slot.state {
                State::Connected(client) => {
                    return Found::Known(Ok(Session::of_link(client.clone(), slot.generation)));
                }
                State::Connecting(waiting) => return Found::Coming(waiting.clone()),
                State::Failed { since, error } if since.elapsed() < PAUSE => {
                    return Found::Known(Err(error.clone()));
                }
                State::Failed { .. } => {}
            }
        }
        // This runtime's, and those of runtimes that have never come back to try again.
        let outdated: Vec<_> = slots.extract_if(.., |slot| slot.is_outdated()).collect();
        let generation = self.next.fetch_add(1, Ordering::Relaxed);
        let (wanted, unwanted) = oneshot::channel();
        let (report, reported) = oneshot::channel();
        let label = Arc::clone(label);
        let waiting = reported
            .map(move |told| told.unwrap_or_else(|_| Err(error::runtime_ended(&label))))
            .boxed()
            .shared();
        let state = State::Connecting(waiting.clone());
        slots.push(Slot { runtime, generation, state, _wanted: wanted });
        drop(slots);
        drop(outdated);
        Found::Missing { generation, waiting, report, unwanted }
    }

    /// Changes the state of a connection unless it has been forgotten.
    pub(crate) fn set(&self, generation: u64, state: State) {
        let mut slots = self.slots();
        let slot = slots.iter_mut().find(|slot| slot.generation == generation);
        let before = slot.map(|slot| mem::replace(&mut slot.state, state));
        drop(slots);
        drop(before);
    }

    /// Has the next caller connect again, unless an attempt has just failed.
    pub(crate) fn forget(&self, generation: u64) {
        let mut slots = self.slots();
        let gone = slots
            .iter()
            .position(|slot| {
                slot.generation == generation && !matches!(slot.state, State::Failed { .. })
            })
            .map(|index| slots.swap_remove(index));
        drop(slots);
        drop(gone);
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after a failed attempt callers fail at once: a server that is down is asked ten times
/// a second, however many ask for it, and votes again soon after its return.
const PAUSE: Duration = Duration::from_millis(100);
