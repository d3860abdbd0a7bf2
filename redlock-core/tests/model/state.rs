//! What the world looks like between two steps.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use redlock_core::proto::{
    Attempt, Ballot, Delivery, Extension, Failure, FailureKind, Moment, NodeSet, Tenure, Vote,
};

use crate::node::Key;

/// A whole world: nodes, network, clients and the time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) now: u8,
    pub(crate) nodes: Vec<Option<Key>>,
    /// Until when each node gives no votes, since it has restarted; zero once that is over.
    pub(crate) closed: Vec<u8>,
    /// Sorted, so that the order in which calls were made makes no difference.
    pub(crate) calls: Vec<Call>,
    pub(crate) clients: [Client; 2],
    pub(crate) left: Budget,
    /// What a step did that it must never do.
    pub(crate) fault: Option<Fault>,
}

/// How much more may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Calls that return without an answer, and releases that are lost.
    pub(crate) losses: u8,
    /// Requests that are carried out twice.
    pub(crate) duplicates: u8,
    /// Restarts of nodes.
    pub(crate) restarts: u8,
    /// Clients that stop for good.
    pub(crate) crashes: u8,
}

impl Budget {
    pub(crate) const NOTHING: Self = Self { losses: 0, duplicates: 0, restarts: 0, crashes: 0 };
}

/// The token of one attempt, in small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) client: u8,
    pub(crate) attempt: u8,
}

/// A call to a node that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) node: u8,
    pub(crate) token: Token,
    pub(crate) op: Op,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    Acquire,
    /// To acquire once more, on a node that has lost the key, for so many units.
    Heal(u8),
    Extend,
    /// Nobody waits for its answer: whether it arrived is what [`redlock_core::Undo`] is about.
    Release,
}

impl Op {
    /// Whether it makes a key where there is none.
    pub(crate) fn sets_key(self) -> bool {
        matches!(self, Self::Acquire | Self::Heal(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// On the way to the node, and the caller waits.
    Request,
    /// On the way to the node, and the caller does not wait or has been told that it failed.
    Stray,
    /// The answer is on its way back.
    Reply(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Granted,
    HeldByAnother,
    NotHeld,
    /// The node does not vote yet.
    Closed,
}

/// One client, as the driver of the lock does it: makes attempts, and cleans up behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Attempts that were made.
    pub(crate) attempts: u8,
    pub(crate) phase: Phase,
    /// What has ended and still waits for something.
    pub(crate) remains: Vec<Remains>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Asking(Attempt),
    Holding {
        tenure: Tenure,
        extension: Option<Running>,
        /// Extensions that were started.
        extensions: u8,
    },
    /// Stopped for good, with all that it knew.
    Crashed,
}

/// An extension under way, or one that has been carried and still hears from nodes that it could
/// have healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) extension: Extension,
    pub(crate) started: u8,
    /// The nodes that have said yes.
    pub(crate) granted: NodeSet,
    pub(crate) carried: bool,
}

/// What is left of an attempt or a lock that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    pub(crate) token: Token,
    pub(crate) of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// An attempt: the nodes to release when their calls return.
    Attempt(NodeSet),
    /// A lock, which knows by itself.
    Lock(Tenure),
}

/// What a step must never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    GrantedTooLate,
    Shortened,
    Revived,
    LossIgnored,
    EndUntold,
    ExtendedAfterEnd,
    AbsentCounted,
}

impl State {
    /// The locks that have ended, and of which something is still under way.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &Tenure> {
        let remains = self.clients.iter().flat_map(|client| &client.remains);
        remains.filter_map(|remains| match &remains.of {
            Of::Lock(tenure) => Some(tenure),
            Of::Attempt(_) => None,
        })
    }

    /// The lock that a client holds, if it may still trust it.
    pub(crate) fn valid(&self, client: usize) -> Option<&Tenure> {
        match &self.clients[client].phase {
            Phase::Holding { tenure, .. } if tenure.is_valid(at(self.now)) => Some(tenure),
            _ => None,
        }
    }

    /// Nothing is under way, and nobody holds anything.
    pub(crate) fn is_quiet(&self) -> bool {
        let done = |client: &Client| matches!(client.phase, Phase::Idle | Phase::Crashed);
        self.calls.is_empty() && self.clients.iter().all(done)
    }

    /// All that decides how the world goes on and is seen from one node.
    fn seen_from(&self, node: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.nodes[node], self.closed[node]).hash(&mut hasher);
        for call in self.calls.iter().filter(|call| usize::from(call.node) == node) {
            (call.token, call.op, call.stage).hash(&mut hasher);
        }
        for client in &self.clients {
            match &client.phase {
                Phase::Asking(attempt) => attempt.tally().ballots()[node].hash(&mut hasher),
                Phase::Holding { tenure, extension, .. } => {
                    tenure.outstanding().contains(node).hash(&mut hasher);
                    if let Some(Running { extension, .. }) = extension {
                        extension.asked().contains(node).hash(&mut hasher);
                        extension.tally().ballots()[node].hash(&mut hasher);
                    }
                }
                _ => {}
            }
            for remains in &client.remains {
                match &remains.of {
                    Of::Attempt(outstanding) => outstanding.contains(node).hash(&mut hasher),
                    Of::Lock(_) => {}
                }
            }
        }
        hasher.finish()
    }
}

/// Worlds that differ only in the names of the nodes, or in what decides nothing any more, hash
/// alike, and the model checker takes them for one. That this loses nothing is itself checked, in
/// [`crate::symmetry`].
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.now, self.left, self.fault).hash(hasher);
        for client in &self.clients {
            client.attempts.hash(hasher);
            match &client.phase {
                Phase::Idle => 0_u8.hash(hasher),
                Phase::Crashed => 1_u8.hash(hasher),
                Phase::Asking(attempt) => (2_u8, attempt.started()).hash(hasher),
                Phase::Holding { tenure, extension, extensions } => {
                    let started =
                        extension.as_ref().map(|running| (running.started, running.carried));
                    (3_u8, tenure.until(), extensions, started).hash(hasher);
                }
            }
            for remains in &client.remains {
                remains.token.hash(hasher);
                match &remains.of {
                    Of::Attempt(_) => 0_u8.hash(hasher),
                    // An ended lock has no end, unless a mutant revives it.
                    Of::Lock(tenure) => {
                        tenure.is_valid(Moment::ORIGIN).then(|| tenure.until()).hash(hasher)
                    }
                }
            }
        }
        let mut nodes: Vec<u64> = (0..self.nodes.len()).map(|i| self.seen_from(i)).collect();
        nodes.sort_unstable();
        nodes.hash(hasher);
    }
}

impl From<Answer> for Ballot {
    fn from(answer: Answer) -> Self {
        Self::Cast(match answer {
            Answer::Granted => Vote::granted(),
            Answer::HeldByAnother => Vote::held_by_another(None),
            Answer::NotHeld => Vote::not_held(),
            Answer::Closed => {
                let (kind, delivery) = (FailureKind::Rejected, Delivery::Refused);
                return Self::Failed(Failure { kind, delivery });
            }
        })
    }
}

/// The unit of time: far above the pauses of [`redlock_core::Undo`], so that each is over within
/// one.
pub(crate) const UNIT: Duration = Duration::from_secs(10);

/// A time of day in units.
pub(crate) fn at(units: u8) -> Moment {
    Moment::at(UNIT * u32::from(units))
}

pub(crate) fn token(client: usize, attempt: u8) -> Token {
    Token { client: client as u8, attempt }
}
