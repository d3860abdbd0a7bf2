use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{SimLink, SimRuntime};
use crate::MemoryNode;

/// How messages travel between clients and nodes.
///
/// ```
/// use std::time::Duration;
///
/// use redlock_testkit::Network;
///
/// let rough = Network { lose_reply: 0.05, connections: 3, ..Network::default() };
/// assert_eq!(rough.longest_latency, Duration::from_millis(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// The least time that a message takes, in either direction.
    pub shortest_latency: Duration,
    /// The most time that a message takes, in either direction.
    pub longest_latency: Duration,
    /// How often a message takes much longer, up to [`longest_spike`](Self::longest_spike).
    pub spikes: f64,
    /// The most time that such a message takes.
    pub longest_spike: Duration,
    /// How many connections a client has to a node. Messages keep their order on one of them, and
    /// overtake each other on different ones.
    pub connections: usize,
    /// How often a request never reaches the node.
    pub lose_request: f64,
    /// How often the reply to a request that was carried out is lost.
    pub lose_reply: f64,
    /// How often the loss of a message goes unnoticed: the caller gets no answer at all. Otherwise
    /// the connection closes, and he gets an error.
    pub silence: f64,
    /// How often a connection closes under a request that reaches the node all the same, and may
    /// do so long after the caller has got his error.
    pub close_early: f64,
    /// How often a request arrives a second time. No node of the contract does that to an acquire.
    pub duplicate: f64,
    /// How often a notice is lost on its way to one of those who have subscribed.
    ///
    /// Notices keep their order on one of the [`connections`](Self::connections), as replies do;
    /// a notice and a reply may overtake each other on any.
    pub lose_notice: f64,
    /// How often a notice comes twice.
    pub duplicate_notice: f64,
    /// How often the connection closes that a notice comes on: it is lost, and all streams of that
    /// client from that node end.
    pub end_streams: f64,
}

impl Default for Network {
    /// One connection to each node, 0.1 to 1 ms in each direction, and nothing goes wrong.
    fn default() -> Self {
        Self {
            shortest_latency: Duration::from_micros(100),
            longest_latency: Duration::from_millis(1),
            spikes: 0.0,
            longest_spike: Duration::ZERO,
            connections: 1,
            lose_request: 0.0,
            lose_reply: 0.0,
            silence: 0.0,
            close_early: 0.0,
            duplicate: 0.0,
            lose_notice: 0.0,
            duplicate_notice: 0.0,
            end_streams: 0.0,
        }
    }
}

/// Nodes in memory behind a simulated network.
///
/// Each client gets [links](Self::links) of its own. What a client has sent arrives whether or not
/// it still waits: dropping the future of a call calls nothing back.
///
/// ```
/// use std::time::Duration;
///
/// use redlock_core::{Redlock, Renewal};
/// use redlock_testkit::{SimCluster, SimRuntime};
///
/// let sim = SimRuntime::new(42);
/// let cluster = SimCluster::new(&sim, 3);
/// let client = sim.client();
/// let redlock = Redlock::builder()
///     .nodes(cluster.links())
///     .runtime(client.shared())
///     .build()?;
///
/// let guard = sim.block_on(redlock.lock("orders").try_acquire()).unwrap();
/// sim.advance(Duration::from_secs(3600)); // it renews itself
/// assert!(guard.is_valid());
/// drop(guard);
///
/// let lock = redlock.lock("invoices").renewal(Renewal::off());
/// let guard = sim.block_on(lock.try_acquire()).unwrap();
/// sim.advance(Duration::from_secs(10));
/// assert!(!guard.is_valid());
/// # Ok::<(), redlock_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SimCluster {
    sim: SimRuntime,
    nodes: Arc<[MemoryNode]>,
    network: Arc<Mutex<Network>>,
}

impl SimCluster {
    /// This many empty nodes, `node-1`, `node-2` and so on, behind a calm [`Network`].
    #[must_use]
    pub fn new(sim: &SimRuntime, nodes: usize) -> Self {
        let node = |number| MemoryNode::new(format!("node-{number}"), sim.shared());
        Self { sim: sim.clone(), nodes: (1..=nodes).map(node).collect(), network: Arc::default() }
    }

    /// From now on messages travel like this.
    pub fn network(&self, network: Network) {
        *self.conditions() = network;
    }

    /// Every node is up and answers, and messages travel as they do by default. What was cut stays
    /// cut.
    pub fn heal(&self) {
        self.network(Network::default());
        for node in self.nodes() {
            node.restart();
            node.resume();
        }
    }

    /// A link to each node, in their order, for one client.
    #[must_use]
    pub fn links(&self) -> Vec<SimLink> {
        let link = |node: &MemoryNode| SimLink::new(&self.sim, node, &self.network);
        self.nodes.iter().map(link).collect()
    }

    /// The nodes, as an operator reaches them: without a network in between.
    #[must_use]
    pub fn nodes(&self) -> &[MemoryNode] {
        &self.nodes
    }

    fn conditions(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimCluster").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
