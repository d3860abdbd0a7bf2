use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::channel::oneshot;
use redlock_core::{Delivery, FailureKind, Moment, NodeError, Resource};

use super::{
    Network, SimRuntime,
    line::{Line, Lines},
};
use crate::{
    MemoryNode,
    command::{Answer, Command},
    inbox::{Inbox, Subscriber},
    port::asked_in_commands,
};

/// A node as one client sees it: through the connections of a simulated network. Made by
/// [`SimCluster::links`](super::SimCluster::links).
///
/// Clones share the connections.
#[derive(Clone)]
pub struct SimLink(Arc<Wire>);

pub(super) struct Wire {
    pub(super) sim: SimRuntime,
    node: MemoryNode,
    network: Arc<Mutex<Network>>,
    /// For each connection, when the last request, the last reply and the last notice on it arrive.
    connections: Mutex<Vec<[Moment; 3]>>,
    pub(super) lines: Lines,
    cut: AtomicBool,
}

#[derive(Clone, Copy)]
pub(super) enum Way {
    There = 0,
    Back = 1,
    /// Back, unasked: notices neither wait for replies nor overtake each other.
    Told = 2,
}

type Reply = oneshot::Sender<Result<Answer, NodeError>>;

impl SimLink {
    pub(super) fn new(sim: &SimRuntime, node: &MemoryNode, network: &Arc<Mutex<Network>>) -> Self {
        Self(Arc::new(Wire {
            sim: sim.clone(),
            node: node.clone(),
            network: Arc::clone(network),
            connections: Mutex::default(),
            lines: Lines::default(),
            cut: AtomicBool::new(false),
        }))
    }

    /// From now on nothing that is sent arrives, in either direction, and nobody is told. What is
    /// under way arrives.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Relaxed);
    }

    /// What is sent arrives again.
    pub fn mend(&self) {
        self.0.cut.store(false, Ordering::Relaxed);
    }

    /// The connection that notices come on closes: all streams of this link end. The node gets to
    /// know, and who likes may subscribe again.
    pub fn end_streams(&self) {
        self.0.lines.close();
    }

    fn memory(&self) -> &MemoryNode {
        &self.0.node
    }

    fn inbox(&self, resource: &Resource) -> Inbox {
        Line::open(&self.0, resource)
    }

    async fn call(&self, command: Command) -> Result<Answer, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.send(command, reply);
        match answer.await {
            Ok(result) => result,
            // The reply was lost, and silence never ends.
            Err(oneshot::Canceled) => std::future::pending().await,
        }
    }

    fn send(&self, command: Command, reply: Reply) {
        let (network, random) = (self.0.network(), self.0.sim.random());
        self.0.remark("is sent", &command);
        if self.0.is_cut() {
            return drop(reply);
        }
        if !self.0.node.listens() && random.chance(0.5) {
            let refused = NodeError::new(self.0.node.name(), FailureKind::Unreachable);
            return self.0.fail(reply, refused.with_delivery(Delivery::NotSent));
        }
        let connection = self.0.connection();
        if random.chance(network.lose_request) {
            return self.0.lose(reply);
        }
        if random.chance(network.duplicate) {
            let another = usize::from(network.connections > 1 && random.chance(0.5));
            let (wire, command) = (Arc::clone(&self.0), command.clone());
            let again = self.0.arrival(connection + another, Way::There);
            self.0.sim.at(again, move || wire.node.submit(command, drop));
        }
        let reply = if random.chance(network.close_early) {
            self.0.fail(reply, self.0.node.closed());
            None
        } else {
            Some(reply)
        };
        let arrival = self.0.arrival(connection, Way::There);
        let wire = Arc::clone(&self.0);
        self.0.sim.at(arrival, move || {
            let node = wire.node.clone();
            wire.remark("receives", &command);
            node.submit(command, move |result| wire.answer(connection, result, reply));
        });
    }
}

impl Wire {
    /// The node has carried out a request, or found out that it cannot; on to the caller.
    fn answer(
        self: Arc<Self>,
        connection: usize,
        result: Result<Answer, NodeError>,
        reply: Option<Reply>,
    ) {
        self.sim.remark(format_args!("  {} answers {result:?}", self.node.name()));
        let Some(reply) = reply else { return };
        let (network, random) = (self.network(), self.sim.random());
        if self.is_cut() {
            drop(reply);
        } else if random.chance(network.lose_reply) {
            self.lose(reply);
        } else {
            // Unless the node said so, what the request met at its arrival was no refusal: it had
            // been sent.
            let result = result.map_err(|error| match error.delivery() {
                Delivery::Refused => error,
                Delivery::NotSent | Delivery::Unknown => self.node.closed(),
            });
            let arrival = self.arrival(connection, Way::Back);
            // A caller that has gone hears nothing.
            self.sim.at(arrival, move || drop(reply.send(result)));
        }
    }

    /// A message is lost: the caller gets an error or nothing at all.
    fn lose(&self, reply: Reply) {
        if self.sim.random().chance(self.network().silence) {
            drop(reply);
        } else {
            self.fail(reply, self.node.closed());
        }
    }

    /// The caller gets this error, after the time that a message takes.
    fn fail(&self, reply: Reply, error: NodeError) {
        let network = self.network();
        let longest = network.longest_latency;
        // Soon enough that the request, if it was sent, may still be under way.
        let after = self.sim.random().between(Duration::ZERO, longest / 4);
        self.sim.at(self.sim.now().after(after), move || drop(reply.send(Err(error))));
    }

    /// The node gets to know that a subscription has ended. That is never lost: a connection tells
    /// it, or is closed and with it all that was subscribed to on it.
    pub(super) fn unsubscribe(&self, resource: Resource, subscriber: Subscriber) {
        let (node, arrival) = (self.node.clone(), self.arrival(self.connection(), Way::There));
        self.sim.at(arrival, move || node.unsubscribe(&resource, &subscriber));
    }

    /// One of the connections, by lot.
    pub(super) fn connection(&self) -> usize {
        let connections = u64::try_from(self.network().connections).unwrap_or(1);
        usize::try_from(self.sim.random().below(connections)).unwrap_or(0)
    }

    /// When a message that is sent now arrives: after the one that was sent before it.
    pub(super) fn arrival(&self, connection: usize, way: Way) -> Moment {
        let (network, random) = (self.network(), self.sim.random());
        let latency = if random.chance(network.spikes) {
            random.between(network.longest_latency, network.longest_spike)
        } else {
            random.between(network.shortest_latency, network.longest_latency)
        };
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.len() <= connection {
            connections.resize(connection + 1, [Moment::ORIGIN; 3]);
        }
        let before = &mut connections[connection][way as usize];
        let arrival = self.sim.now().after(latency).max(before.after(NANOSECOND));
        *before = arrival;
        arrival
    }

    fn remark(&self, what: &str, command: &Command) {
        self.sim.remark(format_args!("  {} {what} {command:?}", self.node.name()));
    }

    pub(super) fn network(&self) -> Network {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

asked_in_commands!(SimLink);

impl fmt::Debug for SimLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimLink").field(&self.0.node).finish()
    }
}

const NANOSECOND: Duration = Duration::from_nanos(1);
