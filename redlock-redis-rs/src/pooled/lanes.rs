use std::{
    collections::VecDeque,
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use redlock_core::{Identity, NodeError};
use redlock_wire::{Audience, Introduction, Voting};
use tokio::runtime::{Handle, Id};

use super::{
    checkout, keeper,
    lane::Lane,
    node::Config,
    tenancy::Tenancy,
    turns::{Claim, Turns},
};
use crate::{error, subscriptions::Subscriptions};

/// The connections that a node has out of its pool: one that is open to all calls for each
/// runtime, and those that have been set aside.
///
/// Nothing that belongs to a task is dropped, and no task spawned, while the state is locked: a
/// runtime that is ending drops tasks there and then, and with one a [`Tenancy`], which locks it.
pub(super) struct Lanes {
    pub(super) config: Config,
    pub(super) subscriptions: Option<Subscriptions>,
    pub(super) voting: Voting,
    state: Mutex<State>,
    gone: Gone,
    _here: oneshot::Sender<Infallible>,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    turns: Turns,
    /// Whoever drops one of these has that connection hung up.
    aside: VecDeque<oneshot::Sender<Infallible>>,
    numbers: u64,
    identity: Option<Identity>,
    /// When the newest connection that has been introduced was made.
    newest: Option<Instant>,
}

struct Slot {
    runtime: Id,
    number: u64,
    stage: Stage,
}

pub(super) enum Stage {
    Waiting(Waiting),
    Open(Arc<Lane>),
    Failed { since: Instant, error: NodeError },
}

/// Completes when the node has been dropped.
pub(super) type Gone = Shared<oneshot::Receiver<Infallible>>;
type Waiting = Shared<BoxFuture<'static, Result<(), NodeError>>>;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    NotSent,
    Known,
    Unknown,
}

impl Lanes {
    pub(super) fn new(config: Config) -> Self {
        let (here, gone) = oneshot::channel();
        Self {
            subscriptions: config.listening().map(Subscriptions::new),
            voting: Voting::new(config.terms, config.response_timeout, Audience::Server),
            config,
            state: Mutex::default(),
            gone: gone.shared(),
            _here: here,
        }
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.state().identity
    }

    pub(super) fn join(&self, claim: &Claim) -> Arc<tokio::sync::Mutex<()>> {
        self.state().turns.join(claim)
    }

    pub(super) fn part(&self, claim: &Claim) {
        self.state().turns.leave(claim);
    }

    /// A lane for a call with this claim, entered. One is opened if there is none.
    ///
    /// Waits for one that is being opened; fails at once shortly after that has failed.
    pub(super) async fn board(
        self: &Arc<Self>,
        claim: Option<&Claim>,
    ) -> Result<Arc<Lane>, NodeError> {
        let runtime =
            Handle::try_current().map_err(|error| error::no_runtime(&self.config.label, error))?;
        loop {
            match self.find_or_open(&runtime, claim) {
                Ok(boarded) => return boarded,
                // The lane may have come and gone before this call was polled again.
                Err(waiting) => waiting.await?,
            }
        }
    }

    fn find_or_open(
        self: &Arc<Self>,
        runtime: &Handle,
        claim: Option<&Claim>,
    ) -> Result<Result<Arc<Lane>, NodeError>, Waiting> {
        let id = runtime.id();
        let mut guard = self.state();
        let state = &mut *guard;
        if let Some(pinned) = claim.and_then(|claim| state.turns.pinned(claim)) {
            pinned.enter();
            return Ok(Ok(Arc::clone(pinned)));
        }
        if self.config.pool.is_closed() {
            return Ok(Err(checkout::closed(&self.config.label)));
        }
        if let Some(slot) = state.slots.iter().find(|slot| slot.runtime == id) {
            match &slot.stage {
                Stage::Open(lane) => {
                    lane.enter();
                    return Ok(Ok(Arc::clone(lane)));
                }
                Stage::Waiting(waiting) => return Err(waiting.clone()),
                Stage::Failed { since, error } if since.elapsed() < PAUSE => {
                    return Ok(Err(error.clone()));
                }
                Stage::Failed { .. } => {}
            }
        }
        let outdated: Vec<_> = state.slots.extract_if(.., |slot| slot.is_outdated()).collect();
        state.numbers += 1;
        let number = state.numbers;
        let (report, reported) = oneshot::channel();
        let label = Arc::clone(&self.config.label);
        let waiting = reported
            .map(move |told| told.unwrap_or_else(|_| Err(error::runtime_ended(&label))))
            .boxed()
            .shared();
        let stage = Stage::Waiting(waiting.clone());
        state.slots.push(Slot { runtime: id, number, stage });
        drop(guard);
        drop(outdated);
        let tenancy = Tenancy::new(Arc::downgrade(self), number);
        runtime.spawn(keeper::keep(self.config.clone(), tenancy, self.gone.clone(), report));
        Err(waiting)
    }

    /// A call leaves its lane. If its outcome is unknown, whatever comes for its claim goes the
    /// same way, and whatever comes for others does not.
    pub(super) fn leave(&self, lane: &Arc<Lane>, claim: Option<&Claim>, outcome: Outcome) {
        let mut guard = self.state();
        let state = &mut *guard;
        let gone = match outcome {
            Outcome::NotSent => None,
            Outcome::Known => {
                claim.inspect(|claim| state.turns.pin(claim, None));
                None
            }
            // What was sent on a connection that has ended cannot be waited for.
            Outcome::Unknown if lane.is_closed() => None,
            Outcome::Unknown => {
                claim.inspect(|claim| state.turns.pin(claim, Some(Arc::clone(lane))));
                lane.doubt();
                lane.retire();
                state.unpublish(lane.number)
            }
        };
        lane.leave();
        drop(guard);
        drop(gone);
    }

    /// Has nobody use this lane any more: its connection has ended, or goes back to the pool.
    pub(super) fn close(&self, lane: &Lane) {
        let mut state = self.state();
        lane.close();
        state.turns.unpin_all(lane);
        let gone = state.unpublish(lane.number);
        drop(state);
        drop(gone);
    }

    /// Closes a lane unless somebody is on it, or something on it is in doubt.
    pub(super) fn close_if_quiet(&self, lane: &Lane) -> bool {
        let mut state = self.state();
        if lane.has_riders() || lane.is_in_doubt() {
            return false;
        }
        lane.close();
        state.turns.unpin_all(lane);
        let gone = state.unpublish(lane.number);
        drop(state);
        drop(gone);
        true
    }

    /// Takes this lane away from calls that come now.
    pub(super) fn retire(&self, lane: &Lane) {
        let mut state = self.state();
        lane.retire();
        let gone = state.unpublish(lane.number);
        drop(state);
        drop(gone);
    }

    /// Counts a connection that was taken out of the pool; completes when it has to go.
    pub(super) fn set_aside(&self) -> oneshot::Receiver<Infallible> {
        let (keep, gone) = oneshot::channel();
        let mut state = self.state();
        state.aside.retain(|keep| !keep.is_canceled());
        state.aside.push_back(keep);
        let oldest = (state.aside.len() > ASIDE).then(|| state.aside.pop_front());
        drop(state);
        drop(oldest);
        gone
    }

    /// Whether a connection made at this time may lead to a server that is not known yet.
    pub(super) fn is_news(&self, made: Instant) -> bool {
        self.state().newest.is_none_or(|newest| made > newest)
    }

    pub(super) fn introduced(&self, made: Instant, introduced: &Introduction) {
        let mut state = self.state();
        if state.newest.is_none_or(|newest| made > newest) {
            state.newest = Some(made);
            state.identity = introduced.identity();
        }
        drop(state);
        self.voting.met(introduced);
    }

    /// What became of an attempt to open a lane.
    pub(super) fn set(&self, number: u64, stage: Stage) {
        let mut state = self.state();
        let slot = state.slots.iter_mut().find(|slot| slot.number == number);
        let before = slot.map(|slot| mem::replace(&mut slot.stage, stage));
        drop(state);
        drop(before);
    }

    /// Nobody opens this lane any more. A failure stays, for its while.
    pub(super) fn abandon(&self, number: u64) {
        let waits = |slot: &&Slot| matches!(slot.stage, Stage::Waiting(_));
        let mut state = self.state();
        let slot = state.slots.iter().find(|slot| slot.number == number).filter(waits);
        let gone = slot.is_some().then(|| state.unpublish(number));
        drop(state);
        drop(gone);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drop what this gives back after unlocking.
    fn unpublish(&mut self, number: u64) -> Option<Slot> {
        let index = self.slots.iter().position(|slot| slot.number == number)?;
        Some(self.slots.swap_remove(index))
    }
}

impl Slot {
    fn is_outdated(&self) -> bool {
        matches!(self.stage, Stage::Failed { since, .. } if since.elapsed() >= PAUSE)
    }
}

/// How long after a failed attempt callers fail at once, as for a node with one connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections wait outside of the pool for what has no answer.
const ASIDE: usize = 4;
