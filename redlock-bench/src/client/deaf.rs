use redlocks::{
    Accord, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Resource, Sets,
    Survey, Token, Ttl, Vote, Witness, async_trait,
};

/// A node without notifications, whatever it could do.
#[derive(Debug)]
pub(super) struct Deaf<N>(N);

impl<N> Deaf<N> {
    pub(super) const fn new(node: N) -> Self {
        Self(node)
    }
}

#[async_trait]
impl<N: LockNode> LockNode for Deaf<N> {
    fn label(&self) -> &str {
        self.0.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.0.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        None
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        self.0.fencing()
    }

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        None
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.0.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.0.acquire(resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.0.extend(resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.0.release(resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        self.0.inspect(resource).await
    }
}
