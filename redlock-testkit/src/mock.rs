//! [`MockLockNode`]: a node whose every answer the test dictates.

// What the macro writes is not ours to lint.
#![allow(missing_docs, clippy::all, unnameable_types, unreachable_pub)]

use async_trait::async_trait;
use redlock_core::{
    Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Resource, Token, Ttl, Vote,
};

mockall::mock! {
    /// A node that answers as the test expects to be asked, by [`mockall`].
    ///
    /// ```
    /// use redlock_core::{LockNode, Resource, Vote};
    /// use redlock_testkit::{MockLockNode, SimRuntime};
    ///
    /// let mut node = MockLockNode::new();
    /// node.expect_label().return_const("a".to_owned());
    /// node.expect_release()
    ///     .withf(|resource, _| resource.as_str() == "orders")
    ///     .times(1)
    ///     .returning(|_, _| Ok(Vote::granted()));
    /// # let token = redlock_core::Token::from_bytes(*b"t")?;
    /// # let orders = Resource::new("orders")?;
    /// # let vote = SimRuntime::new(1).block_on(node.release(&orders, &token)).unwrap();
    /// # assert_eq!(vote, Vote::granted());
    /// # Ok::<(), redlock_core::ConfigError>(())
    /// ```
    #[derive(Debug)]
    pub LockNode {}

    #[async_trait]
    impl LockNode for LockNode {
        fn label(&self) -> &str;
        fn identity(&self) -> Option<Identity>;
        fn notifications<'a>(&'a self) -> Option<&'a dyn Notifications>;
        fn fencing<'a>(&'a self) -> Option<&'a dyn Fencing>;
        async fn acquire(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        async fn extend(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError>;
        async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError>;
    }
}
