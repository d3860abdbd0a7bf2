use std::{fmt, sync::Arc, time::Duration};

use fred::{
    clients::{Client, Pool},
    types::config::Config as Settings,
};
use redlock_core::{NodeError, RestartPolicy};
use redlock_wire::{Durability, Terms, UrlError};

use crate::{
    config::{self, Config, ConfigError, Eviction, Origin},
    link::Link,
    url,
};

/// A Redis or Valkey server as a node.
///
/// Connects at the first call, and again when the connection has ended: a server that is down
/// costs its vote and nothing else. Clones share the connection, and the last of them that is
/// dropped ends it.
///
/// No call waits longer for a connection than the [connect timeout](Self::connect_timeout), nor for
/// one answer than the [response timeout](Self::response_timeout); it takes one answer, two after a
/// refusal or where a server has forgotten the scripts, and never more than three. Calls are
/// made on a tokio runtime with time and I/O enabled, which runs two tasks per connection; a node
/// that several runtimes use has a connection in each, which ends with the runtime, and calls over
/// different ones are in no order.
///
/// While somebody [subscribes](redlock_core::Notifications) to releases, there is one more
/// connection, for all who do, whose server is asked every second whether it is still there.
#[derive(Clone)]
pub struct FredNode {
    pub(crate) link: Arc<Link>,
}

impl FredNode {
    /// The server at this url: `redis://[[user]:password@]host[:port][/database]`, `rediss://…`
    /// for TLS, or `unix:///path?db=…&user=…&pass=…`; with `?protocol=resp3` (or `&…`) for RESP3.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the url cannot be used, which says why and shows nothing of the url.
    pub fn open(url: &str) -> Result<Self, UrlError> {
        Ok(Self::of(url::parse(url)?))
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

    /// The server of this configuration of the library, with its credentials and TLS settings.
    ///
    /// `fail_fast` is taken as true, as with every client of this crate.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it cannot be used, which names the field.
    pub fn from_config(settings: Settings) -> Result<Self, ConfigError> {
        config::check(&settings)?;
        Ok(Self::of(settings))
    }

    /// The server of this client, which its owner has had connect and takes care of.
    ///
    /// The client reconnects, or does not, as its own policy says; without a policy the node is out
    /// for good once the connection has ended. Each command has options of its own: one attempt,
    /// the [response timeout](Self::response_timeout), and no waiting for a connection.
    ///
    /// While the client waits between two attempts to reconnect, a call may be
    /// [timed out](redlock_core::FailureKind::TimedOut) that is otherwise
    /// [unreachable](redlock_core::FailureKind::Unreachable): a node [from a url](Self::open) fails
    /// faster, and votes again sooner. A blocking command on the same connection holds up the
    /// calls of the lock.
    ///
    /// Releases are listened to on a connection of the node's own, made from the configuration of
    /// the client.
    #[must_use]
    pub fn from_client(label: impl Into<Arc<str>>, client: Client) -> Self {
        Self::with(Config::new(label, Origin::Clients(vec![client])))
    }

    /// The server of this pool's clients, as for [one client](Self::from_client).
    ///
    /// All calls on one resource go over the same client of the pool, whichever that is, because
    /// calls that go over different connections can overtake each other: a release that comes
    /// before its acquire leaves a key that nobody releases. So the node is out for the resources
    /// of a client that is not connected, and not for the others.
    #[must_use]
    pub fn from_pool(label: impl Into<Arc<str>>, pool: Pool) -> Self {
        Self::with(Config::new(label, Origin::Clients(pool.clients().to_vec())))
    }

    /// How long making a connection may take: 800 milliseconds, unless set.
    ///
    /// It covers the name look-up, TLS, and logging in: six or seven round trips. Callers have
    /// their own, shorter, patience; this bounds what an unreachable server keeps busy, and how
    /// long after the end of a partition the node stays away. Several servers that are asked one
    /// after the other, as sentinels are, share it. A client that was brought along connects by its
    /// own settings.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { connect_timeout: timeout, ..Config::clone(&self.link.config) })
    }

    /// How long the answer to a command may take: half a second, unless set; a millisecond at
    /// least.
    ///
    /// Callers have their own, shorter, patience. The connection outlives a late answer, so that
    /// what was sent first is carried out first.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self::with(Config { response_timeout: timeout, ..Config::clone(&self.link.config) })
    }

    /// Counts the votes of a server that may evict locks.
    ///
    /// A server with a `maxmemory` and a `maxmemory-policy` other than `noeviction` throws keys
    /// away when it is full, held locks among them: somebody else then gets its vote while the
    /// holder counts on it. By default such a server is refused whenever it is connected to, as
    /// far as it tells (`INFO memory`; a change is noticed at the next connection; the servers of a
    /// cluster are not asked). Allow it only where you know that it never fills up.
    #[must_use]
    pub fn allow_eviction(self) -> Self {
        Self::with(Config { eviction: Eviction::Allowed, ..Config::clone(&self.link.config) })
    }

    /// For how long the counter of a resource is kept that nobody takes: a week, unless set.
    ///
    /// Locks with [fencing tokens](redlock_core::Fencing) have a counter beside their key, which
    /// outlives it: one small key for each resource. Taking the resource keeps it for this long
    /// beyond the ttl. A counter that is gone begins anew from the server's clock in microseconds,
    /// which is larger than any before unless that clock was set back by more than the counter was
    /// away. A shorter time saves memory where names of resources come and go; it should be the same
    /// for all who use a resource.
    #[must_use]
    pub fn counter_retention(self, retention: Duration) -> Self {
        let config = Config::clone(&self.link.config);
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
        let config = Config::clone(&self.link.config);
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
        let config = Config::clone(&self.link.config);
        let terms = Terms { durability: Some(durability), ..config.terms };
        Self::with(Config { terms, ..config })
    }

    /// Speaks RESP3 with the server, which must be Redis 6 or newer, or Valkey: what
    /// `?protocol=resp3` in a url says.
    ///
    /// Nothing that a lock says or hears depends on it. A client that was brought along stays as it
    /// is.
    #[must_use]
    pub fn resp3(self) -> Self {
        let config = &self.link.config;
        Self::with(Config { origin: config.origin.resp3(), ..Config::clone(config) })
    }

    /// Another name in errors and logs than host, port and database.
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        Self::with(Config { label: label.into(), ..Config::clone(&self.link.config) })
    }

    pub(crate) fn of(settings: Settings) -> Self {
        Self::with(Config::new(config::label(&settings), Origin::Settings(Box::new(settings))))
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
        let voting = &self.link.config.voting;
        voting.check(&mut self.line(voting.epoch()).await?).await
    }

    fn with(config: Config) -> Self {
        Self { link: Arc::new(Link::new(config)) }
    }
}

/// The server on this machine: `redis://127.0.0.1:6379/0`.
impl Default for FredNode {
    fn default() -> Self {
        // Which is what the library's default is, as a test shows.
        Self::of(Settings::default())
    }
}

/// Only where the node is: what connects there may be secret.
impl fmt::Debug for FredNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.link.config;
        f.debug_struct("FredNode")
            .field("label", &config.label)
            .field("connect_timeout", &config.connect_timeout)
            .field("response_timeout", &config.response_timeout)
            .finish_non_exhaustive()
    }
}
