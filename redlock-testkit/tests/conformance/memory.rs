//! `MemoryNode`, in virtual time.

use std::sync::Arc;

use redlock_core::{LockNode, RestartPolicy, Runtime, TokioRuntime, Ttl, async_trait};
use redlock_testkit::{
    MemoryNode,
    conformance::{Lacking, Subject},
};

pub(crate) struct Memory(pub(crate) MemoryNode);

#[async_trait]
impl Subject for Memory {
    async fn open(&self) -> Arc<dyn LockNode> {
        Arc::new(self.0.clone())
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        Ok(Arc::new(MemoryNode::named("b")))
    }

    async fn open_in_quarantine(&self, max_ttl: Ttl) -> Result<Arc<dyn LockNode>, Lacking> {
        self.0.restart_policy(RestartPolicy::Quarantine { max_ttl });
        self.0.crash_and_forget();
        self.0.restart();
        Ok(self.open().await)
    }

    async fn take_away(&self) -> Result<(), Lacking> {
        self.0.crash();
        Ok(())
    }
}

redlock_testkit::conformance_tests! {
    #[tokio::test(start_paused = true)]
    Memory(MemoryNode::named("a")),
    lacking:
        extending_gives_no_end_to_what_has_none,
        a_foreign_key_is_never_touched,
        a_foreign_key_is_a_failure,
        a_foreign_key_is_not_counted,
    a_foreign_key_is_not_listed,
    a_foreign_key_is_not_reset,
    a_foreign_key_keeps_a_set_from_being_taken,
        a_store_may_forget_what_was_prepared,
        a_cut_connection_is_made_again,
        no_credentials_are_shown
}
