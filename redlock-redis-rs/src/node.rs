use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Client,
    aio::{ConnectionManager, MultiplexedConnection},
};
use redlock_core::{NodeError, RestartPolicy};
use redlock_wire::{Durability, Terms, UrlError, UrlProblem};

use crate::{
    config::{Config, Eviction, Origin, ready_for_tls, tuned, tuned_client},
    link::Link,
    url,
};

/// A Redis or Valkey server as a node.
///
/// Connects at the first call, and again when the connection has ended: a server that is down
/// costs its vote and nothing else. Clones share the connection.
///
/// No call waits longer for a connection than the [connect timeout](Self::connect_timeout), nor for
/// one answer than the [response timeout](Self::response_timeout); it takes one answer, two after a
/// refusal or where a server has forgotten the scripts, and never more than three. Calls are
/// made on a tokio runtime with time and I/O enabled, which runs one task per connection; a node
/// that several runtimes use has a connection in each, and calls over different ones are in no order.
/// What many tasks ask at the same time leaves as one pipeline; what is asked alone waits for nobody.
/// A connection that was brought along, and a cluster, sends each command by itself.
///
/// While somebody [subscribes](redlock_core::Notifications) to releases, there is a second
/// connection, one for all of them, on which the server is asked every five seconds whether it is
/// still there.
#[derive(Clone)]
pub struct RedisNode {
    pub(crate) link: Arc<Link>,
}

impl RedisNode {
    /// The server at this url: `redis://[[user]:password@]host[:port][/database]`, `rediss://…`
    /// for TLS, or `unix:///path?db=…&user=…&pass=…`.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the url cannot be used, which says why and shows nothing of the url.
    pub fn open(url: &str) -> Result<Self, UrlError> {
        let info = url::parse(url)?;
        let label = url::label(&info);
        // Cannot fail: these very settings have just made a client.
        let client = Client::open(tuned(&info)).map_err(|_| UrlProblem::Settings)?;
        Ok(Self::with(Config::new(label, origin(client))))
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

    /// The server of this client, with its credentials and TLS settings.
    ///
    /// What the client's settings for TCP leave open is set as for a url; Nagle's algorithm is
    /// off in any case.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        let info = client.get_connection_info();
        let label = url::label(info);
        Self::with(Config::new(label, origin(tuned_client(client))))
    }

    /// The server behind this connection manager, which reconnects by its own settings.
    ///
    /// By default a manager waits longer and longer between attempts, up to several seconds, and
    /// notices only by a failed command that a server was restarted: a node
    /// [from a client](Self::from_client) votes again sooner. The manager's timeouts hold where they
    /// are shorter than the node's own.
    #[must_use]
    pub fn from_manager(label: impl Into<Arc<str>>, manager: ConnectionManager) -> Self {
        Self::with(Config::new(label, Origin::Manager(manager)))
    }

    /// The server at the other end of this connection.
    ///
    /// When the connection has ended, the node is out for good: a connection of this kind cannot
    /// be made again. The node has a [timeout of its own](Self::response_timeout) for answers, and
    /// the one of this handle does not count.
    #[must_use]
    pub fn from_multiplexed(
        label: impl Into<Arc<str>>,
        mut connection: MultiplexedConnection,
    ) -> Self {
        connection.set_response_timeout(Duration::MAX);
        Self::with(Config::new(label, Origin::Multiplexed(connection)))
    }

    /// How long making a connection may take: 800 milliseconds, unless set.
    ///
    /// It covers the name look-up, TLS, and logging in: four or five round trips. Callers have
    /// their own, shorter, patience; this bounds what an unreachable server keeps busy, and how
    /// long after the end of a partition the node stays away.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { connect_timeout: timeout, ..self.link.config.clone() })
    }

    /// How long the answer to a command may take: half a second, unless set.
    ///
    /// Callers have their own, shorter, patience. The connection outlives a late answer, so that
    /// what was sent first is carried out first.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { response_timeout: timeout, ..self.link.config.clone() })
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
        Self::with(Config { eviction: Eviction::Allowed, ..self.link.config.clone() })
    }

    /// For how long the counter of a resource is kept that nobody takes: a week, unless set.
    ///
    /// Locks with [fencing tokens](redlock_core::Fencing) have a counter beside their key, which
    /// outlives it: one small key for each resource. Taking the resource keeps it for this long
    /// beyond the ttl. A counter that is gone begins anew from the server's clock in microseconds,
    /// which is larger than any before unless that clock was set back, or is behind those of the
    /// other servers, by longer than the counter was away. So counters that nobody loses are safe as
    /// long as clocks are set back, and apart, by less than this; a week is far more than that. A
    /// shorter time saves memory where names of resources come and go; it should be the same for all
    /// who use a resource.
    #[must_use]
    pub fn counter_retention(self, retention: Duration) -> Self {
        let config = self.link.config.clone();
        let terms = Terms { counter_retention: retention, ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// What the node does after its server has restarted: by default it
    /// [trusts](RestartPolicy::Trust) it.
    ///
    /// With [`RestartPolicy::Quarantine`] the server decides itself, in the script that takes a lock,
    /// whether it may vote: it does not until it has been running, seen and not forgotten anything,
    /// for [so long](RestartPolicy::quarantine). It knows by a key `redlocks:epoch` that has its
    /// `run_id` and when that was first seen: if there is another there, or none, because it
    /// restarted, lost its data, or was a replica, the time begins anew. So the very first lock on
    /// a server waits that long as well; [`check`](Self::check) at the start of a program begins it.
    /// All clients of the server must have the same policy, and no longer ttl than it says.
    ///
    /// It costs the server an `INFO` for each vote, and every lock is then taken by a script. A
    /// server that does not let its user run `INFO` never votes, and says so each time; neither
    /// does a cluster, whose slots move one by one. Data that is deleted while that key is not,
    /// a lock by somebody's `DEL` say, goes unnoticed.
    ///
    /// Such a node takes one resource at a time: it has no [sets](redlock_core::LockNode::sets), so
    /// locking several together over it is an error.
    #[must_use]
    pub fn restart_policy(self, policy: RestartPolicy) -> Self {
        let config = self.link.config.clone();
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
        let config = self.link.config.clone();
        let terms = Terms { durability: Some(durability), ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// Speaks RESP3 with the server, which must be Redis 6 or newer, or Valkey: what
    /// `?protocol=resp3` in a url says.
    ///
    /// Nothing that a lock says or hears depends on it. A connection that was brought along stays
    /// as it is.
    #[must_use]
    pub fn resp3(self) -> Self {
        let config = &self.link.config;
        Self::with(Config { origin: config.origin.resp3(), ..config.clone() })
    }

    /// Listens to releases over a connection of this client, which must lead to the same server.
    ///
    /// A node from a manager or a connection cannot listen without that, because those do not tell
    /// where they lead: who waits for a lock then looks again from time to time. Any other node
    /// connects with its own settings.
    #[must_use]
    pub fn listening_with(self, client: Client) -> Self {
        ready_for_tls();
        let listening = Some(tuned_client(client));
        Self::with(Config { listening, ..self.link.config.clone() })
    }

    /// Another name in errors and logs than host, port and database.
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        Self::with(Config { label: label.into(), ..self.link.config.clone() })
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
        self.link.voting.check(&mut self.line().await?).await
    }

    pub(crate) fn with(config: Config) -> Self {
        Self { link: Arc::new(Link::new(config)) }
    }
}

/// The server on this machine: `redis://127.0.0.1:6379/0`.
impl Default for RedisNode {
    fn default() -> Self {
        Self::open("redis://127.0.0.1:6379/0").expect("this url is well formed, as a test shows")
    }
}

/// Only where the node is: what connects there may be secret.
impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.link.config;
        f.debug_struct("RedisNode")
            .field("label", &config.label)
            .field("connect_timeout", &config.connect_timeout)
            .field("response_timeout", &config.response_timeout)
            .finish_non_exhaustive()
    }
}

fn origin(client: Client) -> Origin {
    ready_for_tls();
    Origin::Client(client)
}
