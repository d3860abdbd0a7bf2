//! A Redis server as the store of whatever adapter.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use futures::{FutureExt, future::BoxFuture};
use redlock_testkit::{
    conformance::{Lacking, Subject},
    server::{Options, Server},
};
use redlocks::{LockNode, Resource, RestartPolicy, Runtime, Token, TokioRuntime, Ttl, async_trait};

/// A server with a password, and how an adapter makes a node from its url.
pub(crate) struct OnServer {
    server: Mutex<Server>,
    other: OnceLock<Server>,
    open: Open,
    /// Why its connections may not be cut, if so.
    uncut: Option<&'static str>,
    /// Why it cannot be kept in quarantine, if so.
    trusted: Option<&'static str>,
    /// What the key of a lock has before the resource.
    prefix: &'static str,
}

/// What makes a node from the url of a server, with this policy.
type Open = fn(String, RestartPolicy) -> BoxFuture<'static, Arc<dyn LockNode>>;

impl OnServer {
    pub(crate) fn start(open: Open) -> Self {
        let server = Mutex::new(started());
        Self { server, other: OnceLock::new(), open, uncut: None, trusted: None, prefix: "" }
    }

    /// The node is of a kind that does not connect again.
    pub(crate) fn without_reconnecting(mut self, why: &'static str) -> Self {
        self.uncut = Some(why);
        self
    }

    /// The node is of a kind that has no restart policy.
    #[cfg(feature = "python-redis-lock")]
    pub(crate) fn without_quarantine(mut self, why: &'static str) -> Self {
        self.trusted = Some(why);
        self
    }

    /// The node has its locks at keys that start with this.
    #[cfg(feature = "python-redis-lock")]
    pub(crate) fn with_prefix(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    fn key(&self, resource: &Resource) -> String {
        format!("{}{resource}", self.prefix)
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    fn cmd(&self, words: &[&str]) {
        self.server().cmd::<redlocks::redis_rs::redis::Value>(words).unwrap();
    }
}

#[async_trait]
impl Subject for OnServer {
    async fn open(&self) -> Arc<dyn LockNode> {
        let url = self.server().url();
        (self.open)(url, RestartPolicy::Trust).await
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        let url = self.other.get_or_init(started).url();
        Ok((self.open)(url, RestartPolicy::Trust).await)
    }

    fn secrets(&self) -> Result<Vec<String>, Lacking> {
        Ok(vec![PASSWORD.into()])
    }

    async fn put_foreign(&self, resource: &Resource) -> Result<(), Lacking> {
        self.cmd(&["RPUSH", &self.key(resource), "mine"]);
        Ok(())
    }

    async fn read_foreign(&self, resource: &Resource) -> Result<Vec<u8>, Lacking> {
        let server = self.server();
        let mut found: Vec<u8> = server.cmd(&["DUMP", &self.key(resource)]).unwrap();
        let left: i64 = server.cmd(&["PTTL", &self.key(resource)]).unwrap();
        found.extend(left.to_be_bytes());
        Ok(found)
    }

    async fn put_endless(&self, resource: &Resource, token: &Token) -> Result<(), Lacking> {
        let token = std::str::from_utf8(token.as_bytes()).unwrap();
        self.cmd(&["SET", &self.key(resource), token]);
        Ok(())
    }

    async fn forget_prepared(&self) -> Result<(), Lacking> {
        self.cmd(&["SCRIPT", "FLUSH"]);
        Ok(())
    }

    async fn cut_connections(&self) -> Result<(), Lacking> {
        match self.uncut {
            Some(why) => Err(Lacking::because(why)),
            None => {
                self.cmd(&["CLIENT", "KILL", "TYPE", "normal"]);
                // Those that listen are of another type.
                self.cmd(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                Ok(())
            }
        }
    }

    async fn open_in_quarantine(&self, max_ttl: Ttl) -> Result<Arc<dyn LockNode>, Lacking> {
        if let Some(why) = self.trusted {
            return Err(Lacking::because(why));
        }
        let url = {
            let mut server = self.server();
            server.restart().unwrap();
            server.url()
        };
        Ok((self.open)(url, RestartPolicy::Quarantine { max_ttl }).await)
    }

    async fn take_away(&self) -> Result<(), Lacking> {
        self.server().kill();
        Ok(())
    }
}

/// What an adapter made, as a node.
pub(crate) fn node<N: LockNode>(
    node: impl Future<Output = N> + Send + 'static,
) -> BoxFuture<'static, Arc<dyn LockNode>> {
    node.map(|node| Arc::new(node) as Arc<dyn LockNode>).boxed()
}

fn started() -> Server {
    Options::new().password(PASSWORD).start().unwrap()
}

const PASSWORD: &str = "s3same-0pen";
