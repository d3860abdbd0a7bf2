use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{
    Client, Cmd, Value,
    aio::{ConnectionManager, MultiplexedConnection},
};
use redlock_core::{
    Delivery, Identity, Inspection, LockNode, NodeError, Resource, Token, Ttl, Vote,
};
use redlock_wire::Script;

use crate::{
    config::{Config, Origin, tuned},
    error::{Trouble, odd_answer},
    link::{Link, Session},
    url::{self, UrlError},
};

/// A Redis or Valkey server as a node.
///
/// Connects at the first call, and again when the connection has ended: a server that is down
/// costs its vote and nothing else. Clones share the connection.
///
/// A call fails after the [response timeout](Self::response_timeout) at the latest. Calls are
/// made on a tokio runtime with time and I/O enabled, which runs one task per connection; a node
/// that several runtimes use has a connection in each.
#[derive(Clone)]
pub struct RedisNode {
    link: Arc<Link>,
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
        let client = Client::open(tuned(&info)).map_err(|_| UrlError::UNUSABLE)?;
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
        // A client made from the settings of a client is that client; if not, it is better than
        // none.
        let client = Client::open(tuned(info)).unwrap_or(client);
        Self::with(Config::new(label, origin(client)))
    }

    /// The server behind this connection manager, which reconnects by its own settings.
    ///
    /// By default a manager waits longer and longer between attempts, up to several seconds, and
    /// notices only by a failed command that a server was restarted: a node
    /// [from a client](Self::from_client) votes again sooner.
    #[must_use]
    pub fn from_manager(label: impl Into<Arc<str>>, manager: ConnectionManager) -> Self {
        Self::with(Config::new(label, Origin::Manager(manager)))
    }

    /// The server at the other end of this connection.
    ///
    /// When the connection has ended, the node is out for good: a connection of this kind cannot
    /// be made again.
    #[must_use]
    pub fn from_multiplexed(label: impl Into<Arc<str>>, connection: MultiplexedConnection) -> Self {
        Self::with(Config::new(label, Origin::Multiplexed(connection)))
    }

    /// How long making a connection may take: a second, unless set.
    ///
    /// It covers the name look-up, TLS, and logging in. Callers have their own, shorter, patience;
    /// this bounds what an unreachable server keeps busy.
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

    /// Another name in errors and logs than host, port and database.
    #[must_use]
    pub fn labelled(self, label: impl Into<Arc<str>>) -> Self {
        Self::with(Config { label: label.into(), ..self.link.config.clone() })
    }

    fn with(config: Config) -> Self {
        Self { link: Arc::new(Link::new(config)) }
    }

    /// Runs a script by its digest, and by its text where the server does not know it.
    ///
    /// One `EVAL` and no more: loading it first and trying again would let a later call for the
    /// same resource overtake this one between the steps (requirement R19).
    async fn run(
        &self,
        session: &mut Session,
        script: Script,
        resource: &Resource,
        words: &[&[u8]],
    ) -> Result<Value, Trouble> {
        let by_digest = eval("EVALSHA", script.sha1(), resource, words);
        match self.link.ask(session, &by_digest).await {
            Err(trouble) if trouble.code() == Some("NOSCRIPT") => {
                let by_text = eval("EVAL", script.body(), resource, words);
                self.link.ask(session, &by_text).await
            }
            answer => answer,
        }
    }

    /// Runs one of the scripts that answer with a vote.
    async fn change(
        &self,
        script: Script,
        resource: &Resource,
        words: &[&[u8]],
    ) -> Result<Vote, NodeError> {
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        match self.run(&mut session, script, resource, words).await {
            Ok(Value::Okay) => Ok(Vote::granted()),
            Ok(Value::Nil) => Ok(Vote::not_held()),
            Ok(Value::Int(left)) => Ok(Vote::held_by_another(remaining(left))),
            Ok(_) => Err(odd_answer(label)),
            Err(trouble) => Err(trouble.of_command(label)),
        }
    }

    async fn look(&self, session: &mut Session, resource: &Resource) -> Result<Found, Trouble> {
        Ok(match self.run(session, Script::INSPECT, resource, &[]).await? {
            Value::Nil => Found::Nothing,
            Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
                Ok([Value::BulkString(value), Value::Int(left)]) => Found::Value(value, left),
                _ => Found::Odd,
            },
            _ => Found::Odd,
        })
    }
}

/// What there is at the key of a resource.
enum Found {
    Nothing,
    Value(Vec<u8>, i64),
    Odd,
}

#[async_trait]
impl LockNode for RedisNode {
    fn label(&self) -> &str {
        &self.link.config.label
    }

    fn identity(&self) -> Option<Identity> {
        self.link.identity()
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        let mut set = Cmd::with_capacity(6, 64 + resource.as_str().len() + token.as_bytes().len());
        set.arg("SET").arg(resource.as_str()).arg(token.as_bytes());
        set.arg("NX").arg("PX").arg(ttl.as_millis());
        match self.link.ask(&mut session, &set).await {
            Ok(Value::Okay) => return Ok(Vote::granted()),
            Ok(Value::Nil) => {}
            Ok(_) => return Err(odd_answer(label)),
            Err(trouble) => return Err(trouble.of_command(label)),
        }
        // There was a key: perhaps this token's, from a request whose answer was lost.
        match self.look(&mut session, resource).await {
            Ok(Found::Value(value, _)) if value == token.as_bytes() => Ok(Vote::granted()),
            Ok(Found::Value(_, left)) => Ok(Vote::held_by_another(remaining(left))),
            // It has ended since. What was refused stays refused: nothing was set.
            Ok(Found::Nothing) => Ok(Vote::held_by_another(Some(Duration::ZERO))),
            Ok(Found::Odd) => Err(odd_answer(label)),
            Err(trouble) => {
                let foreign = trouble.code() == Some("WRONGTYPE");
                let error = trouble.of_command(label);
                // Whatever kept the node from looking, the key may still be this token's.
                Err(if foreign { error } else { error.with_delivery(Delivery::Unknown) })
            }
        }
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let millis = ttl.as_millis().to_string();
        self.change(Script::EXTEND, resource, &[token.as_bytes(), millis.as_bytes()]).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.change(Script::RELEASE, resource, &[token.as_bytes()]).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        match self.look(&mut session, resource).await {
            Ok(Found::Nothing) => Ok(Inspection::Free),
            Ok(Found::Value(value, left)) => match Token::from_bytes(value) {
                Ok(token) => Ok(Inspection::Held { token, remaining: remaining(left) }),
                // An empty value: no token, so no lock made it.
                Err(_) => Err(odd_answer(label)),
            },
            Ok(Found::Odd) => Err(odd_answer(label)),
            Err(trouble) => Err(trouble.of_command(label)),
        }
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
    #[cfg(feature = "tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Without a provider the first TLS connection would panic. An error means that somebody
        // else has been quicker, and theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Origin::Client(client)
}

fn eval(command: &str, script: &str, resource: &Resource, words: &[&[u8]]) -> Cmd {
    let mut eval = Cmd::new();
    eval.arg(command).arg(script).arg(1).arg(resource.as_str());
    for word in words {
        eval.arg(*word);
    }
    eval
}

/// What a node tells of a key's lifetime: -1 is for ever, -2 means that it has just ended.
fn remaining(millis: i64) -> Option<Duration> {
    match millis {
        -1 => None,
        left => Some(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
    }
}
