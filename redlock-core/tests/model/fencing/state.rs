//! What the world looks like between two steps.

use std::hash::{DefaultHasher, Hash, Hasher};

use redlock_core::proto::{Attempt, Ballot, Fence, NodeSet, Vote};

use crate::{fencing::node::Node, state::Token};

/// A whole world: nodes, network and clients. There is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) nodes: Vec<Node>,
    /// What nodes have been asked and may carry out, sorted.
    pub(crate) requests: Vec<Request>,
    /// What they have answered to somebody who waits for it, sorted.
    pub(crate) replies: Vec<Reply>,
    pub(crate) clients: [Client; 2],
    /// How many counters may still be lost.
    pub(crate) amnesia: u8,
    /// A counter has shown less than before.
    pub(crate) has_decreased: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) node: u8,
    pub(crate) token: Token,
    pub(crate) op: Op,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    /// To take the resource, and to count on from no less than this.
    Acquire(u8),
    /// To make the counter at least this.
    Raise(u8),
}

/// An answer to a request: the first that arrives counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reply {
    pub(crate) to: Request,
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Counted(u8),
    HeldByAnother(u8),
    NotHeld,
}

/// One client, as the driver of the lock does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Attempts that were made.
    pub(crate) attempts: u8,
    pub(crate) asking: Option<Asking>,
    /// The largest count that a node has told it.
    pub(crate) hint: u8,
    /// The fences of its attempts that became a lock.
    pub(crate) had: Vec<Had>,
}

/// An attempt under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    pub(crate) attempt: Attempt,
    /// The largest fence that was had by anybody before it started.
    pub(crate) before: u8,
    /// The fence that it wants confirmed, in the second round.
    pub(crate) wants: Option<Fence>,
    /// The nodes that were asked to raise their counter, and those of them that have not answered.
    pub(crate) asked: NodeSet,
    pub(crate) waits: NodeSet,
    /// The nodes that have raised it to exactly that.
    pub(crate) raised: NodeSet,
}

/// A fence that was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Had {
    pub(crate) fence: u8,
    /// The largest that was had by anybody before the attempt started.
    pub(crate) before: u8,
    /// Whether it took a second round.
    pub(crate) second: bool,
}

impl State {
    /// All fences that were had.
    pub(crate) fn had(&self) -> impl Iterator<Item = &Had> {
        self.clients.iter().flat_map(|client| &client.had)
    }

    /// Whether somebody waits for the answer to this.
    pub(crate) fn awaits(&self, request: &Request) -> bool {
        let client = &self.clients[usize::from(request.token.client)];
        let node = usize::from(request.node);
        client.asking.as_ref().is_some_and(|asking| {
            client.attempts == request.token.attempt
                && match request.op {
                    Op::Acquire(_) => asking.attempt.tally().silent().contains(node),
                    Op::Raise(_) => asking.waits.contains(node),
                }
        })
    }

    /// All that decides how the world goes on and is seen from one node.
    fn seen_from(&self, node: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.nodes[node].hash(&mut hasher);
        for request in self.requests.iter().filter(|request| usize::from(request.node) == node) {
            (0_u8, request.token, request.op).hash(&mut hasher);
        }
        for Reply { to, answer } in &self.replies {
            if usize::from(to.node) == node {
                (1_u8, to.token, to.op, answer).hash(&mut hasher);
            }
        }
        for asking in self.clients.iter().filter_map(|client| client.asking.as_ref()) {
            asking.attempt.tally().ballots()[node].hash(&mut hasher);
            for nodes in [asking.asked, asking.waits, asking.raised] {
                nodes.contains(node).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// Worlds that differ only in the names of the nodes hash alike, and the model checker takes them
/// for one. That this loses nothing is itself checked, in [`crate::symmetry`].
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.amnesia, self.has_decreased).hash(hasher);
        for client in &self.clients {
            (client.attempts, client.hint, &client.had).hash(hasher);
            let asking = client.asking.as_ref();
            asking.map(|asking| (asking.before, asking.wants)).hash(hasher);
        }
        let mut nodes: Vec<u64> = (0..self.nodes.len()).map(|i| self.seen_from(i)).collect();
        nodes.sort_unstable();
        nodes.hash(hasher);
    }
}

impl From<Answer> for Ballot {
    fn from(answer: Answer) -> Self {
        let fence = |counter| Fence::new(u64::from(counter));
        Self::Cast(match answer {
            Answer::Counted(counter) => Vote::counted(fence(counter)),
            Answer::HeldByAnother(counter) => {
                Vote::held_by_another(None).with_counter(fence(counter))
            }
            Answer::NotHeld => Vote::not_held(),
        })
    }
}
