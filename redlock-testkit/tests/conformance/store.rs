//! The store of a [`Node`], and what a subject may do to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use futures::stream::BoxStream;
use redlock_core::{
    Fence, LockNode, Moment, Notice, Resource, RestartPolicy, Runtime, Token, TokioRuntime, Ttl,
    async_trait,
};
use redlock_testkit::{
    MemoryNode,
    conformance::{Lacking, Subject},
};

use crate::{
    defect::Defect::{
        self, EachNodeHasItsOwnStore, StreamsOutliveTheirConnections, TrustsWhatRestarts,
    },
    node::Node,
};

/// A store with its nodes, all with the same defect.
pub(crate) struct Full {
    store: Arc<Store>,
    defect: Option<Defect>,
}

impl Full {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self { store: Store::new(), defect }
    }

    fn end_streams(&self) {
        if self.defect != Some(StreamsOutliveTheirConnections) {
            self.store.locks.cut_subscriptions();
        }
    }
}

pub(crate) struct Store {
    pub(crate) locks: MemoryNode,
    pub(crate) more: Mutex<More>,
    pub(crate) away: AtomicBool,
    pub(crate) prepared: AtomicBool,
    pub(crate) connection: AtomicU64,
}

#[derive(Default)]
pub(crate) struct More {
    pub(crate) foreign: BTreeMap<Resource, Vec<u8>>,
    pub(crate) endless: BTreeMap<Resource, Token>,
    pub(crate) last: BTreeMap<Resource, Token>,
    /// The longest ttl of its quarantine.
    pub(crate) max_ttl: Option<Ttl>,
    /// The largest number of any holder.
    pub(crate) largest: Fence,
    /// Streams that nobody reads.
    pub(crate) left_behind: Vec<BoxStream<'static, Notice>>,
    /// When each name was first agreed on.
    pub(crate) agreed: BTreeMap<Resource, Moment>,
    nodes: u64,
}

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            locks: MemoryNode::named("full"),
            more: Mutex::default(),
            away: AtomicBool::new(false),
            prepared: AtomicBool::new(true),
            connection: AtomicU64::new(0),
        })
    }

    fn open(self: &Arc<Self>, defect: Option<Defect>) -> Arc<dyn LockNode> {
        let store = match defect {
            Some(EachNodeHasItsOwnStore) => Self::new(),
            _ => Arc::clone(self),
        };
        let number = {
            let mut more = self.more();
            more.nodes += 1;
            more.nodes
        };
        Arc::new(Node::new(store, defect, number))
    }

    pub(crate) fn more(&self) -> MutexGuard<'_, More> {
        self.more.lock().expect("nothing panics under this lock")
    }
}

#[async_trait]
impl Subject for Full {
    async fn open(&self) -> Arc<dyn LockNode> {
        self.store.open(self.defect)
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        Ok(Store::new().open(self.defect))
    }

    fn secrets(&self) -> Result<Vec<String>, Lacking> {
        Ok(vec![PASSWORD.into()])
    }

    async fn put_foreign(&self, resource: &Resource) -> Result<(), Lacking> {
        self.store.more().foreign.insert(resource.clone(), b"a list".to_vec());
        Ok(())
    }

    async fn read_foreign(&self, resource: &Resource) -> Result<Vec<u8>, Lacking> {
        Ok(self.store.more().foreign.get(resource).cloned().unwrap_or_default())
    }

    async fn put_endless(&self, resource: &Resource, token: &Token) -> Result<(), Lacking> {
        self.store.more().endless.insert(resource.clone(), token.clone());
        Ok(())
    }

    async fn forget_prepared(&self) -> Result<(), Lacking> {
        self.store.prepared.store(false, SeqCst);
        Ok(())
    }

    async fn cut_connections(&self) -> Result<(), Lacking> {
        self.store.connection.fetch_add(1, SeqCst);
        self.end_streams();
        Ok(())
    }

    async fn open_in_quarantine(&self, max_ttl: Ttl) -> Result<Arc<dyn LockNode>, Lacking> {
        if self.defect != Some(TrustsWhatRestarts) {
            self.store.locks.restart_policy(RestartPolicy::Quarantine { max_ttl });
        }
        self.store.more().max_ttl = Some(max_ttl);
        self.store.locks.crash_and_forget();
        self.store.locks.restart();
        Ok(self.open().await)
    }

    async fn take_away(&self) -> Result<(), Lacking> {
        self.store.away.store(true, SeqCst);
        self.end_streams();
        Ok(())
    }
}

pub(crate) const PASSWORD: &str = "open sesame";
