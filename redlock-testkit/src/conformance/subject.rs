use std::{borrow::Cow, fmt, sync::Arc};

use redlock_core::{LockNode, Resource, Runtime, Token, Ttl, async_trait};

/// One store with the node that is to be judged: what its author gives to the suite.
///
/// Two methods must be there. The others say what can be done to the store behind the node's back;
/// where one is left out, or answers [`Lacking`], the rules that need it are reported as not
/// applicable, with the reason.
///
/// Each rule is asked of a subject of its own, whose store is empty and may be ruined.
#[async_trait]
pub trait Subject: Send + Sync {
    /// One more node over the store of this subject, with a connection of its own: what another
    /// process would open.
    async fn open(&self) -> Arc<dyn LockNode>;

    /// The time that the store lives in, and where tasks can be spawned.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// A node over another store of the same kind.
    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        Err(Lacking::because("the subject has one store only"))
    }

    /// Passwords and the like that were used to open the node, and must never be shown.
    fn secrets(&self) -> Result<Vec<String>, Lacking> {
        Err(Lacking::because("the node is opened without secrets"))
    }

    /// Puts something that no lock made where the lock of this resource would be.
    async fn put_foreign(&self, _resource: &Resource) -> Result<(), Lacking> {
        Err(Lacking::because("the subject does not put foreign keys into its store"))
    }

    /// What [`put_foreign`](Self::put_foreign) has put there, as it is now, with its lifetime.
    async fn read_foreign(&self, _resource: &Resource) -> Result<Vec<u8>, Lacking> {
        Err(Lacking::because("the subject does not read foreign keys in its store"))
    }

    /// Puts the lock of this resource and token there, without an end.
    async fn put_endless(&self, _resource: &Resource, _token: &Token) -> Result<(), Lacking> {
        Err(Lacking::because("the subject does not make locks without an end"))
    }

    /// Has the store forget whatever nodes prepared in it for later, such as scripts.
    async fn forget_prepared(&self) -> Result<(), Lacking> {
        Err(Lacking::because("nothing is prepared in the store"))
    }

    /// Ends all connections of nodes to the store, which goes on.
    async fn cut_connections(&self) -> Result<(), Lacking> {
        Err(Lacking::because("the node has no connection that could be cut"))
    }

    /// Restarts the store with nothing in it, and opens a node whose restart policy is
    /// [quarantine](redlock_core::RestartPolicy::Quarantine) with this longest ttl.
    async fn open_in_quarantine(&self, _max_ttl: Ttl) -> Result<Arc<dyn LockNode>, Lacking> {
        Err(Lacking::because("the node has no quarantine"))
    }

    /// Ends the store for good, or makes it impossible to reach.
    async fn take_away(&self) -> Result<(), Lacking> {
        Err(Lacking::because("the subject does not take its store away"))
    }
}

/// Why a subject cannot do what a rule needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking(Cow<'static, str>);

impl Lacking {
    /// For this reason, which the report shows.
    #[must_use]
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
