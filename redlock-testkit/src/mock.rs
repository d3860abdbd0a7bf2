//! [`MockLockNode`]: a node whose every answer the test dictates.

// What the macro writes is not ours to lint.
#![allow(missing_docs, clippy::all, unnameable_types, unreachable_pub)]

use async_trait::async_trait;
use futures::stream::BoxStream;
use redlock_core::{
    Accord, Announced, Cursor, Fence, Fencing, Identity, Inspection, LockNode, NodeError, Notice,
    Notifications, Page, Resource, ResourceSet, Sets, Survey, Token, Ttl, Vote, Witness,
};

mockall::mock! {
    /// A node that answers as the test expects to be asked, by [`mockall`].
    ///
    /// Whether it has the abilities [`Notifications`], [`Fencing`], [`Sets`], [`Survey`] and
    /// [`Accord`] is what `expect_can_notify`, `expect_can_count`, `expect_can_take_sets` (asked
    /// only for locks of several resources), `expect_can_survey` and `expect_can_agree` (asked only
    /// for an agreement) say; the calls of those are expected like those of [`LockNode`].
    ///
    /// ```
    /// use redlock_core::{LockNode, Resource, Vote};
    /// use redlock_testkit::{MockLockNode, SimRuntime};
    ///
    /// let mut node = MockLockNode::new();
    /// node.expect_label().return_const("a".to_owned());
    /// node.expect_can_notify().return_const(false);
    /// node.expect_release()
    ///     .withf(|resource, _| resource.as_str() == "orders")
    ///     .times(1)
    ///     .returning(|_, _| Ok(Vote::granted()));
    /// # let token = redlock_core::Token::from_bytes(*b"t")?;
    /// # let orders = Resource::new("orders")?;
    /// # let vote = SimRuntime::new(1).block_on(LockNode::release(&node, &orders, &token)).unwrap();
    /// # assert_eq!(vote, Vote::granted());
    /// # assert!(node.notifications().is_none());
    /// # Ok::<(), redlock_core::ConfigError>(())
    /// ```
    #[derive(Debug)]
    pub LockNode {
        /// Whether [`LockNode::notifications`] gives this very node.
        pub fn can_notify(&self) -> bool;
        /// Whether [`LockNode::fencing`] gives this very node.
        pub fn can_count(&self) -> bool;
        /// Whether [`LockNode::survey`] gives this very node.
        pub fn can_survey(&self) -> bool;
        /// Whether [`LockNode::sets`] gives this very node.
        pub fn can_take_sets(&self) -> bool;
        /// Whether [`LockNode::accord`] gives this very node.
        pub fn can_agree(&self) -> bool;
        pub fn label(&self) -> &str;
        pub fn identity(&self) -> Option<Identity>;
        pub async fn acquire(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        pub async fn extend(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        pub async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError>;
        pub async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError>;
        /// As [`Survey::list`].
        pub async fn list(&self, prefix: &str, from: Option<Cursor>) -> Result<Page, NodeError>;
        /// As [`Survey::reset`].
        pub async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError>;
    }

    #[async_trait]
    impl Notifications for LockNode {
        async fn release_and_notify(
            &self,
            resource: &Resource,
            token: &Token,
        ) -> Result<Announced, NodeError>;
        async fn notify(&self, resource: &Resource) -> Result<(), NodeError>;
        async fn subscribe(
            &self,
            resource: &Resource,
        ) -> Result<BoxStream<'static, Notice>, NodeError>;
    }

    #[async_trait]
    impl Fencing for LockNode {
        async fn acquire_counted(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
            hint: Fence,
        ) -> Result<Vote, NodeError>;
        async fn raise(
            &self,
            resource: &Resource,
            token: &Token,
            fence: Fence,
        ) -> Result<Vote, NodeError>;
    }

    #[async_trait]
    impl Accord for LockNode {
        async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError>;
    }

    #[async_trait]
    impl Sets for LockNode {
        async fn acquire_all(
            &self,
            resources: &ResourceSet,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        async fn extend_all(
            &self,
            resources: &ResourceSet,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError>;
        async fn release_all(
            &self,
            resources: &ResourceSet,
            token: &Token,
        ) -> Result<Vote, NodeError>;
        async fn release_all_and_notify(
            &self,
            resources: &ResourceSet,
            token: &Token,
        ) -> Result<Announced, NodeError>;
    }
}

/// By the methods of the same names; written out because a mock cannot be told to return itself.
#[async_trait]
impl LockNode for MockLockNode {
    fn label(&self) -> &str {
        Self::label(self)
    }

    fn identity(&self) -> Option<Identity> {
        Self::identity(self)
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.can_notify().then_some(self)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        self.can_count().then_some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.can_take_sets().then_some(self)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        self.can_survey().then_some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        None
    }

    fn accord(&self) -> Option<&dyn Accord> {
        self.can_agree().then_some(self)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        Self::acquire(self, resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        Self::extend(self, resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        Self::release(self, resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        Self::inspect(self, resource).await
    }
}

#[async_trait]
impl Survey for MockLockNode {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        Self::list(self, prefix, from.cloned()).await
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        Self::reset(self, resource).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn its_counters_are_dictated_too() {
        let mut mock = MockLockNode::new();
        mock.expect_can_count().return_const(true);
        let seven = Fence::new(7);
        mock.expect_raise().times(1).returning(|_, _, fence| Ok(Vote::counted(fence)));
        let node: Arc<dyn LockNode> = Arc::new(mock);
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"t").unwrap());
        let able = node.fencing().unwrap();
        let vote = able.raise(&resource, &token, seven).now_or_never().unwrap();
        assert_eq!(vote.unwrap(), Vote::counted(seven));
    }

    #[test]
    fn its_notices_are_dictated_too() {
        let mut mock = MockLockNode::new();
        mock.expect_can_notify().return_const(true);
        mock.expect_subscribe().times(1).returning(|_| {
            Ok(futures::stream::iter([Notice { holder: None, listeners: 1 }]).boxed())
        });
        mock.expect_inspect().times(1).returning(|_| Ok(Inspection::Free));
        let node: Arc<dyn LockNode> = Arc::new(mock);
        let resource = Resource::new("r").unwrap();
        let able = node.notifications().unwrap();
        let stream = able.subscribe(&resource).now_or_never().unwrap().unwrap();
        assert_eq!(stream.count().now_or_never(), Some(1));
        let found = node.inspect(&resource).now_or_never().unwrap();
        assert_eq!(found.unwrap(), Inspection::Free);
    }

    #[test]
    fn what_it_has_agreed_on_is_dictated_too() {
        let mut mock = MockLockNode::new();
        mock.expect_can_agree().return_const(true);
        mock.expect_agree().times(1).returning(|_, _| Ok("others".to_owned()));
        let node: Arc<dyn LockNode> = Arc::new(mock);
        let name = Resource::new("jobs").unwrap();
        let there = node.accord().unwrap().agree(&name, "mine").now_or_never().unwrap();
        assert_eq!(there.unwrap(), "others");
    }

    #[test]
    fn its_listings_are_dictated_too() {
        let mut mock = MockLockNode::new();
        mock.expect_can_survey().return_const(true);
        let from = Cursor::new(*b"7");
        let (expected, next) = (Some(from.clone()), Cursor::new(*b"8"));
        let page = Page { held: Vec::new(), next: Some(next) };
        let told = page.clone();
        mock.expect_list()
            .withf(move |prefix, from| prefix == "a" && *from == expected)
            .times(1)
            .returning(move |_, _| Ok(told.clone()));
        mock.expect_reset().times(1).returning(|_| Ok(None));
        let node: Arc<dyn LockNode> = Arc::new(mock);
        let able = node.survey().unwrap();
        let listed = able.list("a", Some(&from)).now_or_never().unwrap();
        assert_eq!(listed.unwrap(), page);
        let reset = able.reset(&Resource::new("r").unwrap()).now_or_never().unwrap();
        assert_eq!(reset.unwrap(), None);
    }
}
