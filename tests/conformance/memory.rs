//! `MemoryNode`, in real time; the testkit's own tests ask it in virtual time.

use std::sync::Arc;

use redlock_testkit::{
    MemoryNode,
    conformance::{Lacking, Subject},
};
use redlocks::{LockNode, Runtime, TokioRuntime, async_trait};

pub(crate) struct Memory(MemoryNode);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(MemoryNode::named("memory"))
    }
}

#[async_trait]
impl Subject for Memory {
    async fn open(&self) -> Arc<dyn LockNode> {
        Arc::new(self.0.clone())
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        Ok(Arc::new(MemoryNode::named("another")))
    }

    async fn take_away(&self) -> Result<(), Lacking> {
        self.0.crash();
        Ok(())
    }
}

redlock_testkit::conformance_tests! {
    Memory::new(),
    lacking:
        extending_gives_no_end_to_what_has_none,
        a_foreign_key_is_never_touched,
        a_foreign_key_is_a_failure,
        a_foreign_key_is_not_counted,
    a_foreign_key_is_not_listed,
    a_foreign_key_is_not_reset,
    a_foreign_key_keeps_a_set_from_being_taken,
        quarantine,
        a_store_may_forget_what_was_prepared,
        a_cut_connection_is_made_again,
        no_credentials_are_shown
}
