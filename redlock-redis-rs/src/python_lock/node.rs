use std::{sync::Arc, time::Duration};

use redis::{Client, FromRedisValue, RedisError};
use redlock_core::{NodeError, Resource, Ttl, Vote};
use redlock_wire::{PythonLock, UrlError};

use super::reminder::Reminders;
use crate::{error::Cause, node::RedisNode, outbox::Pace};

/// One Redis or Valkey server whose locks are shared with Python programs that use
/// [python-redis-lock]: both exclude each other, and a release on either side wakes who waits on
/// the other.
///
/// ```no_run
/// use redlock_redis_rs::PythonLockNode;
///
/// let node = PythonLockNode::open("redis://cache:6379")?;
/// // As the only node of a redlock:
/// // Redlock::builder().nodes([node]).build()?.lock("orders")?.acquire().await?
/// // excludes redis_lock.Lock(client, "orders").
/// # Ok::<(), redlock_redis_rs::UrlError>(())
/// ```
///
/// # What it is, and what is lost
///
/// A redlock over *this one node* excludes the users of python-redis-lock on that server. It is
/// as safe as python-redis-lock, and no more: there is no second server that would keep a lock
/// when this one is restarted empty or a replica that never heard of the lock takes its place,
/// and while it is down there are no locks at all. Several of these nodes in one redlock are no help,
/// because Python programs ask one server only.
///
/// # What the other side sees
///
/// * `lock:` and the resource holds the token, `lock-signal:` and the resource tells of a release.
///   After each that is told there is exactly one element in it, for
///   [a second](Self::signal_lifetime), unless somebody who waits has taken it.
/// * A token is what Python calls the `id` of a lock. A token of this crate is ASCII, and
///   `redis_lock.Lock(client, name, id=token)` can extend and release what was acquired here; a
///   [`Token`](redlock_core::Token) made of the bytes of an `id` can do so here with what was
///   acquired there.
/// * Lifetimes are to the millisecond; Python knows whole seconds. A lock that Python holds
///   without `expire` never ends, and its refusals tell no remaining time.
/// * Where Python's extension answers that the lock is not acquired (1), that of this node is a
///   refusal. Where it answers that the lock has no end to be moved (2), this node grants, as it is
///   there for longer than was asked; the lock keeps having none. And where Python makes the
///   lifetime shorter (0), this node leaves it.
/// * What a redlock gives up without telling anybody, after an attempt that failed or to the next in
///   its own process, leaves the signal alone. If nobody has the lock 25 milliseconds later, the
///   signal is left then: a Python program may have seen the lock held, and sleep.
///
/// # Waiting
///
/// A release wakes **one** of those who wait, wherever they are, and who is woken and finds the
/// lock taken relies on the holder to wake the next. So a waiter here that has taken the signal and
/// is dropped before it has the lock puts it back. What kills its process in that moment loses
/// it; others of this crate look again within a second all the same, as they do when a holder
/// has died, but a Python program without `expire` and `timeout` sleeps until the next release.
///
/// While somebody waits there is one connection more for each resource.
///
/// # Permissions
///
/// Those of a [`RedisNode`], on both keys, and `+exists +rpush +blpop +multi +exec`. With
/// `+client|id +client|unblock` a waiter that goes does so at once, and within a second without.
/// [`reset_all`](Self::reset_all) needs `+scan`.
///
/// [python-redis-lock]: https://pypi.org/project/python-redis-lock/
#[derive(Clone, Debug)]
pub struct PythonLockNode {
    pub(super) server: RedisNode,
    pub(super) reminders: Reminders,
    signal_lifetime: Ttl,
}

impl PythonLockNode {
    /// The server at this url, as [`RedisNode::open`] has it.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the url cannot be used, which says why and shows nothing of the url.
    pub fn open(url: &str) -> Result<Self, UrlError> {
        RedisNode::open(url).map(Self::on)
    }

    /// The server of this client, as [`RedisNode::from_client`] has it.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self::on(RedisNode::from_client(client))
    }

    /// How long the signal of a release stays for somebody who is about to wait: a second, unless
    /// set, as in Python (`signal_expire`).
    #[must_use]
    pub fn signal_lifetime(self, lifetime: Ttl) -> Self {
        Self { signal_lifetime: lifetime, ..self }
    }

    /// As [`RedisNode::connect_timeout`].
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { server: self.server.connect_timeout(timeout), ..self }
    }

    /// As [`RedisNode::response_timeout`].
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self { server: self.server.response_timeout(timeout), ..self }
    }

    /// As [`RedisNode::allow_eviction`].
    #[must_use]
    pub fn allow_eviction(self) -> Self {
        Self { server: self.server.allow_eviction(), ..self }
    }

    /// As [`RedisNode::labelled`].
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        Self { server: self.server.labelled(label), ..self }
    }

    /// Frees the lock of this resource, whoever has it, and wakes one who waits: what `reset` does
    /// in Python.
    ///
    /// For a lock whose holder is known to be dead: a live one goes on as if it had the lock. A
    /// refusal as not held tells that nobody had it; a signal is left all the same.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot. What is no lock, a
    /// key of another type, is not deleted and an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    pub async fn reset(&self, resource: &Resource) -> Result<Vote, NodeError> {
        let removed = self.named(resource).reset(&mut self.server.line().await?).await?;
        Ok(removed.map_or_else(Vote::not_held, |_| Vote::granted()))
    }

    /// [Resets](Self::reset) every lock that there is on the server, and tells how many there were:
    /// what `reset_all` does in Python.
    ///
    /// One after the other, so that other clients are served in between: what is acquired
    /// meanwhile may be reset or not. Keys that start with `lock:` and are of another type, or
    /// go on with nothing or with what is no UTF-8, are left alone.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot. Some locks are then
    /// reset, and the others not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves some locks reset and others not.
    pub async fn reset_all(&self) -> Result<u64, NodeError> {
        let (mut reset, mut cursor) = (0, 0);
        loop {
            let (next, keys) = self.scan(cursor).await?;
            for key in keys {
                let name = key.strip_prefix(PythonLock::PREFIX.as_bytes());
                let name = name.and_then(|name| std::str::from_utf8(name).ok());
                let Some(resource) = name.and_then(|name| Resource::new(name).ok()) else {
                    continue;
                };
                match self.named(&resource).reset(&mut self.server.line().await?).await {
                    Ok(Some(_)) => reset += 1,
                    Ok(None) => {}
                    Err(trouble) if trouble.code() == Some("WRONGTYPE") => {}
                    Err(trouble) => return Err(trouble.into()),
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(reset);
            }
        }
    }

    /// The keys of the lock of this resource.
    pub(super) fn named(&self, resource: &Resource) -> PythonLock {
        PythonLock::new(resource, self.signal_lifetime)
    }

    fn on(server: RedisNode) -> Self {
        let signal_lifetime = Ttl::new(PythonLock::SIGNAL_LIFETIME)
            .expect("a second is between the shortest and the longest");
        Self { server, reminders: Reminders::default(), signal_lifetime }
    }

    /// Some of the keys of locks, and where to go on; 0 at the end.
    async fn scan(&self, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), NodeError> {
        let link = &self.server.link;
        let mut session = link.session().await?;
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg("lock:*").arg("COUNT").arg(1000);
        let read = |value| FromRedisValue::from_redis_value(value).map_err(RedisError::from);
        let answer = link.ask(&mut session, command, Pace::Slow).await;
        let found = answer.and_then(|value| read(value).map_err(Cause::from));
        found.map_err(|cause| cause.of_command(&link.config.label).into())
    }
}
