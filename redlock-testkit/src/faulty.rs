//! A decorator that makes things go wrong between a lock and a node: [`FaultyNode`].

mod fault;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use redlock_core::{
    Accord, Announced, Cursor, Delivery, FailureKind, Fence, Fencing, Identity, Inspection,
    LockNode, NodeError, Notice, Notifications, Page, Resource, ResourceSet, Runtime, Sets, Survey,
    Token, Ttl, Vote, Witness,
};

use self::fault::Plan;
pub use self::fault::{Chances, Fault};
use crate::command::Operation;

/// A node whose calls go wrong in the ways that were asked for: scripted call by call, decided by a
/// closure, or drawn from a seed.
///
/// Works around any node, one on a real server included.
///
/// A call asks its operation's [script](Self::script) for a [`Fault`]; when that is used up, the
/// [rule](Self::rule) or the [chances](Self::chances), whichever was set last; without any, the
/// call goes through untouched.
///
/// Dropping the future of a call drops the call to the node behind. A request that goes on by
/// itself after that is what [`SimCluster`](crate::SimCluster) has.
///
/// ```
/// use std::time::Duration;
///
/// use redlock_core::{LockNode, Resource, Token, Ttl};
/// use redlock_testkit::{Fault, FaultyNode, MemoryNode, Operation, SimRuntime};
///
/// let sim = SimRuntime::new(1);
/// let memory = MemoryNode::new("a", sim.shared());
/// let node = FaultyNode::new(memory.clone(), sim.shared());
/// node.script(Operation::Acquire, [Fault::LoseReply]);
///
/// let (orders, token) = (Resource::new("orders")?, Token::from_bytes(*b"t")?);
/// let ttl = Ttl::new(Duration::from_secs(10))?;
/// assert!(sim.block_on(node.acquire(&orders, &token, ttl)).is_err());
/// assert_eq!(memory.keys().len(), 1, "and yet the node granted it");
/// # Ok::<(), redlock_core::ConfigError>(())
/// ```
pub struct FaultyNode<N> {
    inner: N,
    runtime: Arc<dyn Runtime>,
    plan: Mutex<Plan>,
}

impl<N: LockNode> FaultyNode<N> {
    /// A node that does what `inner` does, until faults are planned. Delays are slept on `runtime`.
    #[must_use]
    pub fn new(inner: N, runtime: Arc<dyn Runtime>) -> Self {
        Self { inner, runtime, plan: Mutex::default() }
    }

    /// The next calls of this operation meet these faults, one each, after those scripted before.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.plan().script(operation, faults);
    }

    /// Calls without a scripted fault meet the one that `rule` tells. It must not call this node.
    pub fn rule(&self, rule: impl FnMut(Operation, &Resource) -> Fault + Send + 'static) {
        self.plan().set_rule(Box::new(rule));
    }

    /// Calls without a scripted fault meet one drawn by these chances; the same seed draws the same
    /// faults for the same calls.
    pub fn chances(&self, chances: Chances, seed: u64) {
        let draw = chances.seeded(seed);
        self.plan().set_rule(Box::new(move |_, _| draw()));
    }

    /// No more faults, scripted or drawn.
    pub fn heal(&self) {
        *self.plan() = Plan::default();
    }

    /// The node behind.
    #[must_use]
    pub const fn inner(&self) -> &N {
        &self.inner
    }

    /// One call to the node behind, or what the fault makes of it. `work` makes a call each time.
    async fn call<'a, T: Send>(
        &'a self,
        operation: Operation,
        resource: &'a Resource,
        refusal: Result<T, NodeError>,
        work: impl Fn() -> BoxFuture<'a, Result<T, NodeError>> + Send,
    ) -> Result<T, NodeError> {
        let fault = self.plan().draw(operation, resource);
        match fault {
            Fault::None => work().await,
            Fault::DelayRequest(by) => {
                self.sleep(by).await;
                work().await
            }
            Fault::DelayReply(by) => {
                let result = work().await;
                self.sleep(by).await;
                result
            }
            Fault::LoseRequest => Err(self.closed()),
            Fault::LoseReply => {
                // What it answered is exactly what nobody gets to know.
                drop(work().await);
                Err(self.closed())
            }
            Fault::Duplicate => {
                let first = work().await;
                drop(work().await);
                first
            }
            Fault::Hang => std::future::pending().await,
            Fault::HangAfter => {
                drop(work().await);
                std::future::pending().await
            }
            Fault::Refuse => refusal,
            Fault::Fail { kind, delivery } => {
                Err(NodeError::new(self.inner.label(), kind).with_delivery(delivery))
            }
        }
    }

    async fn sleep(&self, by: std::time::Duration) {
        let deadline = self.runtime.now().after(by);
        self.runtime.sleep_until(deadline).await;
    }

    fn closed(&self) -> NodeError {
        NodeError::new(self.inner.label(), FailureKind::Closed)
    }

    fn refused(&self, kind: FailureKind) -> NodeError {
        NodeError::new(self.inner.label(), kind).with_delivery(Delivery::Refused)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// A method that is added to the port and forgotten here would bypass the faults.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> LockNode for FaultyNode<N> {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.inner.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.inner.notifications().map(|_| self as _)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        self.inner.fencing().map(|_| self as _)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.inner.sets().map(|_| self as _)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        self.inner.survey().map(|_| self as _)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.inner.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        self.inner.accord().map(|_| self as _)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let refusal = Ok(Vote::held_by_another(None));
        self.call(Operation::Acquire, resource, refusal, || {
            self.inner.acquire(resource, token, ttl)
        })
        .await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let refusal = Ok(Vote::not_held());
        self.call(Operation::Extend, resource, refusal, || self.inner.extend(resource, token, ttl))
            .await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let refusal = Ok(Vote::not_held());
        self.call(Operation::Release, resource, refusal, || self.inner.release(resource, token))
            .await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        let refusal = Err(self.refused(FailureKind::Rejected));
        self.call(Operation::Inspect, resource, refusal, || self.inner.inspect(resource)).await
    }
}

/// The ability of the node behind. Streams come as they are: what can happen to the notices in
/// them is the node's own affair.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> Notifications for FaultyNode<N> {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let nobody = |vote| Announced { vote, listeners: 0 };
        let work = || match self.inner.notifications() {
            Some(able) => able.release_and_notify(resource, token),
            // It was able a moment ago. A release is a release.
            None => self.inner.release(resource, token).map_ok(nobody).boxed(),
        };
        self.call(Operation::Release, resource, Ok(nobody(Vote::not_held())), work).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        let refusal = Err(self.refused(FailureKind::Rejected));
        let work = || match self.inner.notifications() {
            Some(able) => able.notify(resource),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Notify, resource, refusal, work).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let refusal = Err(self.refused(FailureKind::Rejected));
        let work = || match self.inner.notifications() {
            Some(able) => able.subscribe(resource),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Subscribe, resource, refusal, work).await
    }
}

/// The ability of the node behind.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> Fencing for FaultyNode<N> {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let refusal = Ok(Vote::held_by_another(None));
        let work = || match self.inner.fencing() {
            Some(able) => able.acquire_counted(resource, token, ttl, hint),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Acquire, resource, refusal, work).await
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        let work = || match self.inner.fencing() {
            Some(able) => able.raise(resource, token, fence),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Raise, resource, Ok(Vote::not_held()), work).await
    }
}

/// The ability of the node behind. A page meets the rule under the name of the prefix, or as `*` if
/// that is empty.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> Survey for FaultyNode<N> {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let named = if prefix.is_empty() { "*" } else { prefix };
        let named = Resource::new(named).expect("it is not empty");
        let refusal = Err(self.refused(FailureKind::Rejected));
        let work = || match self.inner.survey() {
            Some(able) => able.list(prefix, from),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::List, &named, refusal, work).await
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        let refusal = Err(self.refused(FailureKind::Rejected));
        let work = || match self.inner.survey() {
            Some(able) => able.reset(resource),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Reset, resource, refusal, work).await
    }
}

/// The ability of the node behind.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> Accord for FaultyNode<N> {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        let refusal = Err(self.refused(FailureKind::Rejected));
        let work = || match self.inner.accord() {
            Some(able) => able.agree(name, terms),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Agree, name, refusal, work).await
    }
}

/// The ability of the node behind. A watcher is told of the first resource of a set.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<N: LockNode> Sets for FaultyNode<N> {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let refusal = Ok(Vote::held_by_another(None));
        let work = || match self.inner.sets() {
            Some(able) => able.acquire_all(resources, token, ttl),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Acquire, resources.first(), refusal, work).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let work = || match self.inner.sets() {
            Some(able) => able.extend_all(resources, token, ttl),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Extend, resources.first(), Ok(Vote::not_held()), work).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        let work = || match self.inner.sets() {
            Some(able) => able.release_all(resources, token),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Release, resources.first(), Ok(Vote::not_held()), work).await
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let refusal = Ok(Announced { vote: Vote::not_held(), listeners: 0 });
        let work = || match self.inner.sets() {
            Some(able) => able.release_all_and_notify(resources, token),
            None => ready(Err(self.refused(FailureKind::Unsupported))).boxed(),
        };
        self.call(Operation::Release, resources.first(), refusal, work).await
    }
}

impl<N: fmt::Debug> fmt::Debug for FaultyNode<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyNode").field(&self.inner).finish()
    }
}

#[cfg(test)]
mod tests;
