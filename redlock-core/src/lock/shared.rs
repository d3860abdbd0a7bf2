use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    backlog::Backlog,
    keeper::Keeper,
    pulse::Pulse,
    queue::Queues,
    reaper::Reaper,
    settings::{Settings, Terms},
};
#[cfg(feature = "mutants")]
use crate::proto::mutant::{self, Mutant};
use crate::{
    ConfigError, Identity, LockNode, Moment, NoRuntime, NodeError, Observer, Quorum, Random,
    RandomError, Runtime, Token, Ttl, Warning, proto::NodeSet,
};

/// What all locks, guards and jobs of one [`Redlock`] share.
pub(super) struct Shared {
    pub(super) nodes: Vec<Arc<dyn LockNode>>,
    pub(super) labels: Vec<Arc<str>>,
    pub(super) quorum: Quorum,
    pub(super) settings: Settings,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) random: Arc<dyn Random>,
    pub(super) reaper: Reaper,
    pub(super) keeper: Keeper,
    pub(super) backlog: Backlog,
    pub(super) queues: Queues,
    pub(super) pulse: Pulse,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) warned: Warned,
    #[cfg(feature = "mutants")]
    pub(super) reused: std::sync::OnceLock<Token>,
}

impl Shared {
    pub(super) fn now(&self) -> Moment {
        self.runtime.now()
    }

    /// Sees to it that what works in the background for a lock on these terms runs.
    pub(super) fn start(&self, terms: &Terms) -> Result<(), NoRuntime> {
        self.reaper.start()?;
        if terms.schedule.is_some() { self.keeper.start() } else { Ok(()) }
    }

    /// A token that no attempt has had before (R14).
    pub(super) fn fresh_token(&self) -> Result<Token, RandomError> {
        #[cfg(feature = "mutants")]
        if mutant::is(Mutant::TokenReused) {
            let fresh = self.random_token()?;
            return Ok(self.reused.get_or_init(|| fresh).clone());
        }
        self.random_token()
    }

    fn random_token(&self) -> Result<Token, RandomError> {
        let mut bits = [0; Token::RANDOM_BYTES];
        self.random.fill(&mut bits)?;
        Ok(Token::from_random(bits))
    }

    /// Random bits for jitter. Without any, everybody waits the full pause: slower, never wrong.
    pub(super) fn chance(&self) -> u32 {
        let mut bits = [0; 4];
        self.random.fill(&mut bits).map_or(0, |()| u32::from_ne_bytes(bits))
    }

    /// How long nodes take to answer.
    pub(super) fn round_trip(&self) -> Duration {
        self.pulse.round_trip()
    }

    /// How long others need who were told that a lock is free, and come first.
    pub(super) fn courtesy(&self, listeners: u32) -> Duration {
        match listeners {
            0 => Duration::ZERO,
            some => MOST_COURTESY.min(self.round_trip().saturating_mul(some.saturating_add(2))),
        }
    }

    /// When to subscribe again at a node after so many failures in a row.
    pub(super) fn again(&self, failures: u32) -> Moment {
        let longest = SOONEST_AGAIN.saturating_mul(1 << failures.min(16)).min(LATEST_AGAIN);
        let random = longest.mul_f64(f64::from(self.chance()) / f64::from(u32::MAX) / 2.0);
        self.now().after(longest.saturating_sub(random))
    }

    /// This node does not tell of releases, which is said once.
    pub(super) fn warn_deaf(&self, place: usize, error: Option<NodeError>) {
        if self.warned.first(place)
            && let Some(label) = self.labels.get(place)
        {
            let label = Arc::clone(label);
            self.observer.warned(&Warning::NoNotifications { label, error });
        }
    }

    /// The most that nodes get to answer, whatever the ttl.
    pub(super) fn longest_node_timeout(&self) -> Duration {
        self.settings.node_timeout(Ttl::MAX)
    }

    /// Until when a node is waited for whose backlog is full.
    pub(super) fn soon(&self) -> Moment {
        self.now().after(self.longest_node_timeout().max(Backlog::PATIENCE))
    }

    /// Two nodes that have turned out to be one server, which would have two votes (R10).
    pub(super) fn same_server(&self) -> Option<ConfigError> {
        let known: Vec<(usize, Identity)> = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(place, node)| Some((place, node.identity()?)))
            .collect();
        let twice = |(later, (place, identity)): (usize, &(usize, Identity))| {
            let (first, _) = known[..later].iter().find(|(_, other)| other == identity)?;
            Some((*first, *place))
        };
        let (first, second) = known.iter().enumerate().find_map(twice)?;
        let label = |place: usize| self.labels[place].to_string();
        Some(ConfigError::SameServer { first: label(first), second: label(second) })
    }
}

/// The nodes about which something was said that is said once.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<NodeSet>);

impl Warned {
    fn first(&self, place: usize) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !nodes.contains(place);
        nodes.insert(place);
        first
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("nodes", &self.labels).finish_non_exhaustive()
    }
}

/// Others have had their chance by then, however many they are.
const MOST_COURTESY: Duration = Duration::from_millis(50);

const SOONEST_AGAIN: Duration = Duration::from_millis(20);
const LATEST_AGAIN: Duration = Duration::from_secs(30);
