//! The contract of [`LockNode`](redlock_core::LockNode), rule by rule, asked of any node.
//!
//! Who writes a node says in a [`Subject`] how to open it, and what can be done to its store.
//! [`conformance_tests!`](crate::conformance_tests) then makes a named test of each [`Rule`];
//! [`Report::of`] asks all of them and tells what came out, also of several nodes side by side.
//!
//! ```
//! use std::sync::Arc;
//!
//! use redlock_core::{LockNode, Runtime, TokioRuntime, async_trait};
//! use redlock_testkit::{MemoryNode, conformance::{Report, Subject}};
//!
//! struct Memory(MemoryNode);
//!
//! #[async_trait]
//! impl Subject for Memory {
//!     async fn open(&self) -> Arc<dyn LockNode> {
//!         Arc::new(self.0.clone())
//!     }
//!
//!     fn runtime(&self) -> Arc<dyn Runtime> {
//!         Arc::new(TokioRuntime::new())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let report = Report::of("memory", async || Memory(MemoryNode::named("a"))).await;
//! assert!(report.is_sound(), "{report}");
//! # }
//! ```
//!
//! In a test file, `redlock_testkit::conformance_tests!(Memory(MemoryNode::named("a")));` and the
//! list of the rules that the subject cannot be asked is all there is to write.
//!
//! The rules of [`Notifications`](redlock_core::Notifications), of
//! [`Fencing`](redlock_core::Fencing), of [`Sets`](redlock_core::Sets), of
//! [`Survey`](redlock_core::Survey) and of [`Accord`](redlock_core::Accord) are not applicable to a
//! node without that ability.
//!
//! What cannot be seen from outside is not asked: that a call is executed at most once (requirement
//! R20) shows only where replies can be lost on the way, so each adapter has a test of its own.

mod accord;
mod acquire;
mod atomic;
mod cancel;
mod counting;
mod expiry;
mod extend;
mod failure;
mod handles;
mod hearing;
mod inspect;
mod names;
mod notices;
mod quarantine;
mod release;
mod report;
mod rules;
mod set_notices;
mod sets;
mod stage;
mod streams;
mod subject;
mod suite;
mod survey;

pub use self::{
    report::Report,
    rules::{Finding, Rule, check},
    subject::{Lacking, Subject},
    suite::assert_conforms,
};
