use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use redlock_core::NodeError;
use redlock_wire::{Channel, Operator, Subscription, Switchboard};
use tokio::runtime::Id;

use crate::error::runtime_ended;

/// The connections on which a node listens, one for each runtime that has somebody listening.
///
/// Nothing is dropped, and no task spawned, while they are locked: either may drop a task of a
/// runtime that is ending, and with it what wakes others.
#[derive(Default)]
pub(crate) struct Listeners {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    attempts: u64,
}

struct Listener {
    runtime: Id,
    switchboard: Switchboard,
    failure: Arc<Failure>,
}

impl Listener {
    /// Whether neither the connection nor its failure is of use to anybody.
    fn is_outdated(&self) -> bool {
        self.switchboard.is_over() && self.failure.recent().is_none()
    }
}

/// Why there is no connection, if none could be made.
#[derive(Default)]
pub(crate) struct Failure(OnceLock<(Instant, NodeError)>);

impl Failure {
    /// Only the first counts.
    pub(crate) fn set(&self, error: NodeError) {
        let _ = self.0.set((Instant::now(), error));
    }

    fn recent(&self) -> Option<&NodeError> {
        let (since, error) = self.0.get()?;
        (since.elapsed() < PAUSE).then_some(error)
    }
}

/// What there is for somebody who wants to listen.
pub(crate) enum Joined {
    /// A place on a connection, which may still be being made.
    Place(Subscription),
    /// A place on one that the caller must make.
    First { place: Subscription, duty: Duty },
}

/// What a new connection is made for.
pub(crate) struct Duty {
    pub(crate) operator: Operator,
    pub(crate) failure: Arc<Failure>,
    /// How many have been made before.
    pub(crate) attempt: u64,
}

impl Listeners {
    /// A place for a listener to this channel on the connection of this runtime; the error of the
    /// last attempt to make one, if that was just now. `label` is the node's.
    pub(crate) fn join(
        &self,
        runtime: Id,
        channel: Channel,
        label: &Arc<str>,
    ) -> Result<Joined, NodeError> {
        let mut state = self.state();
        if let Some(known) = state.listeners.iter().find(|known| known.runtime == runtime) {
            if let Some(place) = known.switchboard.join(channel.clone()) {
                return Ok(Joined::Place(place));
            }
            if let Some(error) = known.failure.recent() {
                return Err(error.clone());
            }
        }
        // This runtime's, and those of runtimes that have never come back to listen again.
        let outdated: Vec<_> = state
            .listeners
            .extract_if(.., |known| known.runtime == runtime || known.is_outdated())
            .collect();
        let (switchboard, operator) = Switchboard::new(Arc::clone(label));
        let failure = Arc::<Failure>::default();
        let duty = Duty { operator, failure: Arc::clone(&failure), attempt: state.attempts };
        let place = switchboard.join(channel);
        state.attempts += 1;
        state.listeners.push(Listener { runtime, switchboard, failure });
        drop(state);
        drop(outdated);
        // Its operator is here, so there is a place.
        place.map(|place| Joined::First { place, duty }).ok_or_else(|| runtime_ended(label))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after a failed attempt others fail at once, as for the connection for commands.
const PAUSE: Duration = Duration::from_millis(100);
