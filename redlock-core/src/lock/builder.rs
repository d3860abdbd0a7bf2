use std::{sync::Arc, time::Duration};

use super::{
    agreement::{Agreed, Agreement},
    backlog::Backlog,
    ears::Hearing,
    fences::Fences,
    followers::Followers,
    keeper::Keeper,
    pulse::Pulse,
    queue::Queues,
    reaper::Reaper,
    redlock::Redlock,
    settings::Settings,
    shared::Shared,
    watch::Watch,
};
use crate::{
    ConfigError, Drift, LockNode, Observer, OsRandom, Owner, Quorum, Random, Renewal, Retry,
    Runtime, node::KeyPrefix, observe::Onlookers,
};

/// Puts a [`Redlock`] together.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | 10 s |
/// | [`node_timeout`](Self::node_timeout) | 100 ms, or a quarter of the ttl if that is less |
/// | [`drift`](Self::drift) | 1 % of the ttl and 2 ms |
/// | [`retry`](Self::retry) | 10 attempts, 50 ms to 1 s apart, half of it random |
/// | [`renewal`](Self::renewal) | every third of the ttl |
/// | [`max_hold`](Self::max_hold) | 24 hours |
/// | [`grace`](Self::grace) | none |
/// | [`fencing`](Self::fencing) | off |
/// | [`handovers`](Self::handovers) | 4 |
/// | [`owner`](Self::owner) | none |
/// | [`key_prefix`](Self::key_prefix) | none |
/// | [`agreement`](Self::agreement) | none |
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct RedlockBuilder {
    nodes: Vec<Arc<dyn LockNode>>,
    settings: Settings,
    runtime: Option<Arc<dyn Runtime>>,
    random: Arc<dyn Random>,
    observers: Vec<Arc<dyn Observer>>,
    owner: Result<Option<Owner>, ConfigError>,
    prefix: Result<Option<KeyPrefix>, ConfigError>,
    agreement: Option<Agreement>,
}

impl Redlock {
    /// Starts to build one.
    pub fn builder() -> RedlockBuilder {
        RedlockBuilder::new()
    }
}

impl RedlockBuilder {
    fn new() -> Self {
        Self {
            nodes: Vec::new(),
            settings: Settings::default(),
            runtime: None,
            random: Arc::new(OsRandom),
            observers: Vec::new(),
            owner: Ok(None),
            prefix: Ok(None),
            agreement: None,
        }
    }

    /// Adds a node. Nodes must be independent of each other: no replicas, no two names of one
    /// server.
    ///
    /// An odd number of them is best: four nodes survive the loss of one, as three do, and two
    /// survive none.
    pub fn node(self, node: impl LockNode) -> Self {
        self.shared_node(Arc::new(node))
    }

    /// Adds nodes of one kind.
    pub fn nodes<N: LockNode>(self, nodes: impl IntoIterator<Item = N>) -> Self {
        nodes.into_iter().fold(self, Self::node)
    }

    /// Adds a node that others use as well.
    pub fn shared_node(mut self, node: Arc<dyn LockNode>) -> Self {
        self.nodes.push(node);
        self
    }

    /// How long nodes keep a lock that nobody releases, unless the lock has its own
    /// [`ttl`](super::Lock::ttl): what can be a [`Ttl`](crate::Ttl), and so much that after the
    /// [drift](Self::drift) more than the [node timeout](Self::node_timeout) is left.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.wishes.ttl = ttl;
        self
    }

    /// When [`acquire`](super::Lock::acquire) tries again, unless the lock has its own
    /// [`retry`](super::Lock::retry).
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Whether held locks are extended by themselves and how often, unless the lock has its own
    /// [`renewal`](super::Lock::renewal).
    pub fn renewal(mut self, renewal: Renewal) -> Self {
        self.settings.wishes.renewal = renewal;
        self
    }

    /// How long a lock may be held in all, however often it is extended, unless the lock has its
    /// own [`max_hold`](super::Lock::max_hold). Unless it is said, 24 hours, or the ttl if that is
    /// more. It cannot be less than the ttl; [`Duration::MAX`] is for ever.
    ///
    /// It ends what a guard keeps that was forgotten, or whose task hangs.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.settings.wishes.max_hold = Some(max_hold);
        self
    }

    /// For how much longer than its holder believes in a lock nodes keep it, if nobody releases it.
    ///
    /// Work that stops within this time after the [loss](super::Guard::lost) was told does not
    /// overlap with the next holder's; and the clocks of servers may step forward by as much
    /// without harm. After a loss nodes are released when the grace is over, or as soon as the guard
    /// is [released](super::Guard::release). The price: after a crash the lock is free this much
    /// later. Consul calls it lock-delay.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// What is taken from a ttl because clocks differ: a holder trusts his lock for that much less
    /// than nodes keep it.
    pub fn drift(mut self, drift: Drift) -> Self {
        self.settings.drift = drift;
        self
    }

    /// How long a node may take to answer, connecting included, before its vote is given up. Not
    /// zero, and less than what the [drift](Self::drift) leaves of the ttl.
    ///
    /// A healthy quorum is never waited for that long: this is what an attempt costs when so many
    /// nodes hang that none can be had.
    pub fn node_timeout(mut self, node_timeout: Duration) -> Self {
        self.settings.node_timeout = Some(node_timeout);
        self
    }

    /// How many times in a row a lock goes from one task of this process to the next that waits for
    /// it before those who wait in other processes are told that it is free, and come first.
    ///
    /// Such a hand-over costs no more than an uncontended acquire and release. With 0 everybody
    /// is told each time.
    pub fn handovers(mut self, handovers: u32) -> Self {
        self.settings.handovers = handovers;
        self
    }

    /// Whether locks have a [fencing token](crate::Lease::fencing_token), unless the lock says
    /// [otherwise](super::Lock::fencing): a number that grows with every holder, for the resource
    /// to refuse those who were one before.
    ///
    /// Every node must be able to [count](crate::Fencing). Of a resource's holders all that want a
    /// number must be fenced; plain ones exclude them, and are excluded by them, all the same.
    pub fn fencing(mut self, fencing: bool) -> Self {
        self.settings.wishes.fencing = fencing;
        self
    }

    /// A word on who has the locks, unless the lock says [otherwise](super::Lock::owner): host,
    /// process, purpose, for people who [look](Redlock::inspect) at them. 1 to 128 visible ASCII
    /// characters.
    ///
    /// It rides in the token, behind the random part that each attempt has of its own:
    /// `<40 hexadecimal digits>@<owner>`. That costs no key and no command, and other clients see a
    /// value like any other. Whoever can read the keys can read it.
    pub fn owner<O>(mut self, owner: O) -> Self
    where
        O: TryInto<Owner>,
        O::Error: Into<ConfigError>,
    {
        self.owner = owner.try_into().map(Some).map_err(Into::into);
        self
    }

    /// Text that goes before the name of every resource on its way to the nodes, such as `app:`,
    /// so that applications that share servers do not share locks.
    ///
    /// Only nodes see it: whatever is asked and told here is in the names without. With it, the
    /// keys are those of somebody who locks the longer names without a prefix, and so are the
    /// fencing tokens. It may have a hash tag, `{app}:`, which puts all locks of a cluster in one slot;
    /// otherwise the tags of resources go on working. A brace that opens without a tag is refused.
    ///
    /// It is for locks only: the keys of a [cache](crate::Cache) are as they are given.
    ///
    /// Costs an allocation for each node and call.
    pub fn key_prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.prefix = KeyPrefix::new(prefix.into());
        self
    }

    /// What every client of these nodes is to have the same: a node counts only for those who were
    /// given what the first of them was.
    ///
    /// Asked of each node before its first vote counts, and again when its
    /// [identity](LockNode::identity) has changed, which it does where servers restart. A node that
    /// has something else [fails](crate::FailureKind::Rejected), and its error tells both; it is
    /// asked anew at each vote, so that no client need be restarted when it is put right. Every node
    /// must be able to [keep it](crate::Accord).
    ///
    /// An agreement of the same name with another [key prefix](Self::key_prefix) is another one.
    pub fn agreement(mut self, agreement: Agreement) -> Self {
        self.settings.max_ttl = agreement.longest();
        self.agreement = Some(agreement);
        self
    }

    /// Who is told what happens around the locks; nobody, if nothing is said. Called again it adds
    /// one more, and all are told, in the order in which they were given.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Where clock, timers and the clean-up task come from; with the feature `tokio`, tokio.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Where tokens and jitter come from; the operating system, if nothing is said.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Checks the settings and makes the redlock. No node is asked and nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there are no nodes, too many, two with one label, or settings that
    /// cannot go together, or ask for what a node cannot do.
    pub fn build(self) -> Result<Redlock, ConfigError> {
        let Self { nodes, settings, runtime, random, observers, owner, prefix, agreement } = self;
        let (quorum, owner, prefix) = (Quorum::of(nodes.len())?, owner?, prefix?);
        let nodes = match &prefix {
            None => nodes,
            Some(prefix) => nodes.into_iter().map(|node| prefix.before(node)).collect(),
        };
        let labels: Arc<[Arc<str>]> = nodes.iter().map(|node| Arc::from(node.label())).collect();
        for (place, label) in labels.iter().enumerate() {
            if labels[..place].contains(label) {
                return Err(ConfigError::DuplicateNode { label: label.to_string() });
            }
        }
        settings.check(settings.wishes)?;
        let agreed = agreement.map(|agreement| Agreed::new(agreement, &nodes)).transpose()?;
        let runtime = runtime.map_or_else(default_runtime, Ok)?;
        let reaper = Reaper::new(Arc::clone(&runtime));
        let (pulse, onlookers) = (Arc::<Pulse>::default(), Onlookers::new(observers));
        let hearing = Arc::new(Hearing::new(&nodes, &runtime, &random, &onlookers));
        let watch = Watch::new(nodes.len(), onlookers.clone());
        let queues = Queues::new(
            settings.handovers,
            Arc::clone(&pulse),
            Arc::clone(&hearing),
            reaper.clone(),
        );
        let shared = Shared {
            backlog: Backlog::new(nodes.len()),
            nodes,
            labels,
            quorum,
            settings,
            owner,
            prefix,
            reaper,
            keeper: Keeper::new(Arc::clone(&runtime)),
            runtime,
            random,
            queues: Arc::new(queues),
            pulse,
            fences: Fences::default(),
            followers: Arc::<Followers>::default(),
            hearing,
            onlookers,
            watch,
            agreed: agreed.map(Arc::new),
            #[cfg(feature = "mutants")]
            reused: std::sync::OnceLock::new(),
        };
        match shared.uncounted(settings.wishes) {
            Some(error) => Err(error),
            None => Ok(Redlock::from_shared(shared)),
        }
    }
}

#[cfg(feature = "tokio")]
#[expect(clippy::unnecessary_wraps, reason = "there may be none without the feature")]
fn default_runtime() -> Result<Arc<dyn Runtime>, ConfigError> {
    Ok(Arc::new(crate::TokioRuntime::new()))
}

#[cfg(not(feature = "tokio"))]
fn default_runtime() -> Result<Arc<dyn Runtime>, ConfigError> {
    Err(ConfigError::NoRuntime)
}
