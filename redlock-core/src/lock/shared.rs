use std::{fmt, sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{
    agreement::Agreed,
    backlog::Backlog,
    ears::Hearing,
    fences::Fences,
    followers::Followers,
    keeper::Keeper,
    pulse::Pulse,
    queue::Queues,
    reaper::Reaper,
    settings::{Proof, Settings, Terms, Wishes},
    watch::Watch,
};
#[cfg(feature = "mutants")]
use crate::proto::mutant::{self, Mutant};
use crate::{
    ConfigError, Identity, LockNode, Moment, NoRuntime, NodeError, Owner, Quorum, Random,
    RandomError, ResourceSet, Runtime, Token, Ttl, Vote, node::KeyPrefix, observe::Onlookers,
    proto::Ballot, random::chance,
};

/// What all locks, guards and jobs of one [`Redlock`] share.
pub(super) struct Shared {
    pub(super) nodes: Vec<Arc<dyn LockNode>>,
    pub(super) labels: Arc<[Arc<str>]>,
    pub(super) quorum: Quorum,
    pub(super) settings: Settings,
    /// Who has the locks, unless a lock says otherwise.
    pub(super) owner: Option<Owner>,
    /// What the nodes put before every name.
    pub(super) prefix: Option<KeyPrefix>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) random: Arc<dyn Random>,
    pub(super) reaper: Reaper,
    pub(super) keeper: Keeper,
    pub(super) backlog: Backlog,
    pub(super) queues: Arc<Queues>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) fences: Fences,
    pub(super) followers: Arc<Followers>,
    pub(super) hearing: Arc<Hearing>,
    pub(super) onlookers: Onlookers,
    pub(super) watch: Watch,
    /// What nodes must agree to before they count, if anything.
    pub(super) agreed: Option<Arc<Agreed>>,
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

    /// The token of an attempt.
    pub(super) fn token(&self, proof: &Proof) -> Result<Token, RandomError> {
        match proof {
            Proof::Fresh(None) => self.fresh_token(),
            Proof::Fresh(Some(owner)) => Ok(self.fresh_token()?.owned_by(owner)),
            Proof::Given(token) => Ok(token.clone()),
        }
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

    /// Random bits for jitter.
    pub(super) fn chance(&self) -> u32 {
        chance(&*self.random)
    }

    /// A node that does not count holders, if one is asked to.
    pub(super) fn uncounted(&self, wishes: Wishes) -> Option<ConfigError> {
        let (_, node) = wishes
            .fencing
            .then(|| self.nodes.iter().enumerate().find(|(_, node)| node.fencing().is_none()))??;
        Some(ConfigError::NoFencing { label: node.label().to_owned() })
    }

    /// Whether the resources of a set can be taken together.
    pub(super) fn together(&self, resources: &ResourceSet) -> Result<(), ConfigError> {
        if resources.only().is_some() {
            return Ok(());
        }
        match self.nodes.iter().find(|node| node.sets().is_none()) {
            Some(node) => Err(ConfigError::NoSets { label: node.label().to_owned() }),
            None => Ok(()),
        }
    }

    /// How long nodes take to answer.
    pub(super) fn round_trip(&self) -> Duration {
        self.pulse.round_trip()
    }

    /// The most that nodes get to answer, whatever the ttl.
    pub(super) fn longest_node_timeout(&self) -> Duration {
        self.settings.node_timeout(Ttl::MAX)
    }

    /// Until when a node is waited for whose backlog is full.
    pub(super) fn soon(&self) -> Moment {
        self.now().after(self.longest_node_timeout().max(Backlog::PATIENCE))
    }

    /// This node has just answered who took a lock of this ttl.
    pub(super) fn look(&self, place: usize, ballot: Ballot, ttl: Ttl) {
        if let Some(node) = self.nodes.get(place) {
            self.watch.look(place, &**node, ballot, ttl, || self.now());
        }
    }

    /// The same, at `now`; and why its grant, if it is one, is none to count.
    pub(super) fn doubt(
        &self,
        place: usize,
        ballot: Ballot,
        terms: &Terms,
        now: Moment,
    ) -> Option<NodeError> {
        self.look(place, ballot, terms.ttl);
        let Ballot::Cast(Vote::Granted { .. }) = ballot else { return None };
        self.watch.doubt(place, self.labels.get(place)?, terms.timing, terms.ttl, now)
    }

    /// Two nodes that have turned out to be one server, which would have two votes (R10).
    pub(super) fn same_server(&self) -> Option<ConfigError> {
        let known: SmallVec<[(usize, Identity); 5]> = self
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("nodes", &self.labels).finish_non_exhaustive()
    }
}
