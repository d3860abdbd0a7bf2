use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use redis::{Cmd, RedisError};
use redlock_core::{Identity, NodeError};
use redlock_wire::{Introduction, Voting};
use tokio::runtime::{Handle, Id};

use crate::{
    attempt,
    config::Config,
    connection::{self, Connection},
    error,
    error::Cause,
    outbox::{Outbox, Pace},
    subscriptions::Subscriptions,
};

/// A node's way to its server: one connection, made when first needed and again when it has ended.
///
/// A connection works only while the runtime that it was made in is polled, so each runtime that
/// uses the node has one of its own. Nearly always that is one in all.
///
/// Nothing is dropped, and no task spawned, while the slots are locked: either may drop a task of
/// a runtime that is ending, and with it a [`Tenancy`], which locks them too.
pub(crate) struct Link {
    pub(crate) config: Config,
    pub(crate) subscriptions: Option<Subscriptions>,
    pub(crate) voting: Voting,
    slots: Mutex<Vec<Slot>>,
    identity: Mutex<Option<Identity>>,
    next: AtomicU64,
}

/// A connection as a caller uses it.
#[derive(Clone)]
pub(crate) struct Session {
    way: Way,
    generation: u64,
}

/// How a command gets to a connection.
#[derive(Clone)]
pub(crate) enum Way {
    /// With those of other callers: the connection is this crate's own.
    Together(Arc<Outbox>),
    /// By itself: it is a guest's, or leads to many servers.
    Alone(Connection),
}

impl Way {
    /// Whether it is of no more use after this error.
    fn is_lost_by(&self, error: &RedisError) -> bool {
        match self {
            Self::Together(_) => connection::is_lost_by(error),
            Self::Alone(connection) => connection.is_lost_by(error),
        }
    }
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

enum State {
    Connecting(Waiting),
    Connected(Way),
    Failed { since: Instant, error: NodeError },
}

type Waiting = Shared<BoxFuture<'static, Result<Session, NodeError>>>;

impl Link {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            subscriptions: config.listening().map(Subscriptions::new),
            voting: Voting::new(config.terms, config.response_timeout, config.audience()),
            config,
            slots: Mutex::new(Vec::new()),
            identity: Mutex::new(None),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, made now if there is none.
    ///
    /// Waits for an attempt that is under way; fails at once shortly after one has failed.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session, NodeError> {
        let runtime =
            Handle::try_current().map_err(|error| error::no_runtime(&self.config.label, error))?;
        match self.find_or_connect(&runtime) {
            Ok(session) => session,
            Err(waiting) => waiting.await,
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn ask(
        &self,
        session: &mut Session,
        command: Cmd,
        pace: Pace,
    ) -> Result<redis::Value, Cause> {
        let answer = match &mut session.way {
            Way::Together(outbox) => outbox.ask(command, pace).await,
            // Boxed: most nodes go the other way, and need not have room for this one.
            Way::Alone(connection) => {
                Box::pin(connection.send_within(&command, self.config.response_timeout)).await
            }
        };
        self.learn_from(session, &answer);
        answer
    }

    /// The same, to the servers of a cluster that are named by this.
    #[cfg(feature = "cluster")]
    pub(crate) async fn ask_at(
        &self,
        session: &mut Session,
        command: Cmd,
        routing: redis::cluster_routing::RoutingInfo,
    ) -> Result<redis::Value, Cause> {
        let answer = match &mut session.way {
            // One server, wherever that is.
            Way::Together(outbox) => outbox.ask(command, Pace::Slow).await,
            Way::Alone(connection) => {
                connection.route_within(command, routing, self.config.response_timeout).await
            }
        };
        self.learn_from(session, &answer);
        answer
    }

    fn learn_from(&self, session: &Session, answer: &Result<redis::Value, Cause>) {
        match answer {
            Err(Cause::Redis(error)) if session.way.is_lost_by(error) => {
                self.forget(session.generation);
            }
            // The connection stays: what was sent on it comes before what will be.
            Err(Cause::Late(_)) => {
                self.config.origin.doubt();
                self.doubt_subscriptions();
            }
            _ => {}
        }
    }

    fn find_or_connect(
        self: &Arc<Self>,
        runtime: &Handle,
    ) -> Result<Result<Session, NodeError>, Waiting> {
        let id = runtime.id();
        let mut slots = self.slots();
        if let Some(slot) = slots.iter().find(|slot| slot.runtime == id) {
            match &slot.state {
                State::Connected(way) => {
                    return Ok(Ok(Session { way: way.clone(), generation: slot.generation }));
                }
                State::Connecting(waiting) => return Err(waiting.clone()),
                State::Failed { since, error } if since.elapsed() < PAUSE => {
                    return Ok(Err(error.clone()));
                }
                State::Failed { .. } => {}
            }
        }
        // This runtime's, and those of runtimes that have never come back to try again.
        let outdated: Vec<_> = slots.extract_if(.., |slot| slot.is_outdated()).collect();
        let generation = self.next.fetch_add(1, Ordering::Relaxed);
        let (wanted, unwanted) = oneshot::channel();
        let (report, reported) = oneshot::channel();
        let label = Arc::clone(&self.config.label);
        let waiting = reported
            .map(move |told| told.unwrap_or_else(|_| Err(error::runtime_ended(&label))))
            .boxed()
            .shared();
        slots.push(Slot {
            runtime: id,
            generation,
            state: State::Connecting(waiting.clone()),
            _wanted: wanted,
        });
        drop(slots);
        drop(outdated);
        let tenancy = Tenancy { link: Arc::downgrade(self), generation };
        runtime.spawn(attempt::run(self.config.clone(), tenancy, report, unwanted));
        Err(waiting)
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state of a connection unless it has been forgotten.
    fn set(&self, generation: u64, state: State) {
        let mut slots = self.slots();
        let slot = slots.iter_mut().find(|slot| slot.generation == generation);
        let before = slot.map(|slot| mem::replace(&mut slot.state, state));
        drop(slots);
        drop(before);
    }

    /// Has the next caller connect again, unless an attempt has just failed.
    fn forget(&self, generation: u64) {
        let mut slots = self.slots();
        let gone = slots
            .iter()
            .position(|slot| {
                slot.generation == generation && !matches!(slot.state, State::Failed { .. })
            })
            .map(|index| slots.swap_remove(index));
        drop(slots);
        if gone.is_some() {
            self.doubt_subscriptions();
        }
        drop(gone);
    }

    /// What has happened to one connection may have happened to the one that is listened on.
    fn doubt_subscriptions(&self) {
        if let Some(subscriptions) = &self.subscriptions {
            subscriptions.doubt();
        }
    }
}

/// The place of one connection in its link, held by the connection's task and given up with it.
pub(crate) struct Tenancy {
    link: Weak<Link>,
    generation: u64,
}

impl Tenancy {
    pub(crate) fn connected(&self, way: Way, introduced: &Introduction) -> Session {
        if let Some(link) = self.link.upgrade() {
            *link.identity.lock().unwrap_or_else(PoisonError::into_inner) = introduced.identity();
            link.voting.met(introduced);
            link.set(self.generation, State::Connected(way.clone()));
        }
        Session { way, generation: self.generation }
    }

    pub(crate) fn failed(&self, error: NodeError) {
        if let Some(link) = self.link.upgrade() {
            link.set(self.generation, State::Failed { since: Instant::now(), error });
        }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.forget(self.generation);
        }
    }
}

/// How long after a failed attempt callers fail at once: a server that is down is asked ten times
/// a second, however many ask for it, and votes again soon after its return.
const PAUSE: Duration = Duration::from_millis(100);
