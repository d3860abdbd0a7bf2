use std::{fmt, sync::Arc, time::Duration};

use deadpool_redis::{Manager, Pool, Runtime};
use redis::Client;
use redlock_core::{NodeError, RestartPolicy};
use redlock_wire::{Durability, Terms, UrlError, UrlProblem};

use super::lanes::Lanes;
use crate::{
    config::{
        CONNECT_TIMEOUT, Eviction, Origin, RESPONSE_TIMEOUT, Settings, ready_for_tls, tuned,
        tuned_client,
    },
    dial::untimed,
    url,
};

/// A Redis or Valkey server as a node, over connections from a pool of [`deadpool_redis`].
///
/// For programs that have such a pool already, and for servers behind something that holds up
/// single connections: calls share one connection out of the pool, and when it lets one of them
/// wait for too long, later calls go over another. It is back in the pool a few milliseconds after
/// its last call, and sooner if somebody else waits for one.
///
/// # Order
///
/// Calls for one resource with one token are carried out in the order in which they were made: each
/// waits for the one before. A call that was dropped or timed out has an unknown outcome, so the
/// next one like it goes over the same connection, behind it.
///
/// Where this ends: a connection that ended, or had no answer for thirty seconds and was hung up
/// for that, may have bytes on their way. They may arrive after what is sent on the next
/// connection, and a key that they make stays for its ttl.
///
/// # Connections
///
/// Beyond the size of the pool a node has at most four: such as let a call wait and have been taken
/// out of the pool for good, because the pool would have whoever gets them next wait as well. They
/// are hung up when their answers have come, after thirty seconds, or when a fifth one is taken
/// out.
///
/// # Runtimes
///
/// Calls are made on a tokio runtime with time and I/O enabled. A connection works only while the
/// runtime that it was made in is polled, and a pool hands it out in any: share a pool between
/// runtimes only if all of them are polled all the time. If not, a call may fail after the
/// [connect timeout](Self::connect_timeout), once for each connection of the sleeping runtime.
/// Connections of a runtime that has ended cost nothing: the pool replaces them.
#[derive(Clone)]
pub struct PooledNode {
    pub(super) lanes: Arc<Lanes>,
}

/// What a node is made from. Each change to it makes a new node.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) label: Arc<str>,
    pub(super) pool: Pool,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) eviction: Eviction,
    pub(super) terms: Terms,
    /// Where connections to listen on come from: a pool does not tell where its own lead.
    pub(super) listening: Option<Client>,
}

impl Config {
    pub(super) fn listening(&self) -> Option<Settings> {
        Some(Settings {
            label: Arc::clone(&self.label),
            origin: Origin::Client(self.listening.clone()?),
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
        })
    }
}

impl PooledNode {
    /// The server at this url, over a pool of its own of at most four connections.
    ///
    /// The url is as for [`RedisNode::open`](crate::RedisNode::open).
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the url cannot be used, which says why and shows nothing of the url.
    pub fn open(url: &str) -> Result<Self, UrlError> {
        let info = url::parse(url)?;
        let label = url::label(&info);
        ready_for_tls();
        // None of it can fail: these very settings have just made a client, and the runtime that
        // timeouts need is named.
        let manager =
            Manager::new_with_config(tuned(&info), untimed()).map_err(|_| UrlProblem::Settings)?;
        let client = Client::open(tuned(&info)).map_err(|_| UrlProblem::Settings)?;
        let pool = Pool::builder(manager)
            .max_size(SIZE)
            .recycle_timeout(Some(RECYCLE_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| UrlProblem::Settings)?;
        Ok(Self::from_pool(label, pool).listening_with(client))
    }

    /// The servers at these urls, one node each.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first url that cannot be used, with its place.
    pub fn open_all<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
    ) -> Result<Vec<Self>, UrlError> {
        let urls = urls.into_iter().enumerate();
        urls.map(|(index, url)| Self::open(url.as_ref()).map_err(|error| error.at(index))).collect()
    }

    /// The server of this pool.
    ///
    /// The timeouts of the pool hold where they are shorter than the node's own. A pool without a
    /// timeout for recycling may spend the whole [connect timeout](Self::connect_timeout) on each
    /// of its idle connections after a network has lost them silently; set one, of a quarter
    /// second perhaps. Nagle's algorithm is as the pool's settings say: better off.
    #[must_use]
    pub fn from_pool(label: impl Into<Arc<str>>, pool: Pool) -> Self {
        Self::with(Config {
            label: label.into(),
            pool,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            eviction: Eviction::Refused,
            terms: Terms::default(),
            listening: None,
        })
    }

    /// Listens to releases over a connection of this client, which must lead to the same server.
    ///
    /// It is a connection beside those of the pool, made when somebody subscribes and closed soon
    /// after the last of them. A node from a pool cannot listen without that, because a pool does
    /// not tell where it leads: who waits for a lock then looks again from time to time. One from a
    /// url can.
    #[must_use]
    pub fn listening_with(self, client: Client) -> Self {
        ready_for_tls();
        let listening = Some(tuned_client(client));
        Self::with(Config { listening, ..self.lanes.config.clone() })
    }

    /// How long getting a connection may take, waiting for a full pool included: 800 milliseconds,
    /// unless set.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { connect_timeout: timeout, ..self.lanes.config.clone() })
    }

    /// How long the answer to a command may take: half a second, unless set.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { response_timeout: timeout, ..self.lanes.config.clone() })
    }

    /// Counts the votes of a server that may evict locks.
    ///
    /// A server with a `maxmemory` and a `maxmemory-policy` other than `noeviction` throws keys
    /// away when it is full, held locks among them: somebody else then gets its vote while the
    /// holder counts on it. By default such a server is refused whenever it is connected to, as
    /// far as it tells (`INFO memory`; a change is noticed at the next connection). Allow it only
    /// where you know that it never fills up.
    #[must_use]
    pub fn allow_eviction(self) -> Self {
        Self::with(Config { eviction: Eviction::Allowed, ..self.lanes.config.clone() })
    }

    /// For how long the counter of a resource is kept that nobody takes: a week, unless set.
    ///
    /// As [`RedisNode::counter_retention`](crate::RedisNode::counter_retention).
    #[must_use]
    pub fn counter_retention(self, retention: Duration) -> Self {
        let config = self.lanes.config.clone();
        let terms = Terms { counter_retention: retention, ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// What the node does after its server has restarted: by default it
    /// [trusts](RestartPolicy::Trust) it.
    ///
    /// As [`RedisNode::restart_policy`](crate::RedisNode::restart_policy).
    #[must_use]
    pub fn restart_policy(self, policy: RestartPolicy) -> Self {
        let config = self.lanes.config.clone();
        let terms = Terms { restart: policy, ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// Counts a vote only when it has reached replicas, or disks: for servers that have a replica
    /// which may take their place.
    ///
    /// Read [`Durability`] before using it: while a server waits for its replicas it answers nothing
    /// else on the connection of the node. Needs `+wait`, or `+waitaof`; not for clusters.
    #[must_use]
    pub fn durable(self, durability: Durability) -> Self {
        let config = self.lanes.config.clone();
        let terms = Terms { durability: Some(durability), ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// Another name in errors and logs.
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        Self::with(Config { label: label.into(), ..self.lanes.config.clone() })
    }

    /// Connects, and tells whether the server votes.
    ///
    /// To be called when a program starts, if it wants to know then. Under a
    /// [quarantine](Self::restart_policy) it begins the time of a server that has not been used
    /// before.
    ///
    /// # Errors
    ///
    /// [`NodeError`] as an acquire would fail: the server cannot be reached, does not let us in, or
    /// must not vote; under a quarantine also that it cannot be kept in one
    /// ([`FailureKind::Unsupported`](redlock_core::FailureKind::Unsupported)), or is
    /// ([`FailureKind::Quarantined`](redlock_core::FailureKind::Quarantined), with
    /// [the time that is left](NodeError::quarantine)).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does no harm.
    pub async fn check(&self) -> Result<(), NodeError> {
        self.lanes.voting.check(&mut self.call(None).await?).await
    }

    fn with(config: Config) -> Self {
        Self { lanes: Arc::new(Lanes::new(config)) }
    }
}

/// Only where the node is: what connects there may be secret.
impl fmt::Debug for PooledNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.lanes.config;
        f.debug_struct("PooledNode")
            .field("label", &config.label)
            .field("connect_timeout", &config.connect_timeout)
            .field("response_timeout", &config.response_timeout)
            .finish_non_exhaustive()
    }
}

/// One in use, and some that may be busy with what has no answer yet.
const SIZE: usize = 4;
/// Within this an idle connection shows that it works, or is replaced: an idle one that the network
/// has lost must leave time for a new one.
const RECYCLE_TIMEOUT: Duration = Duration::from_millis(200);
