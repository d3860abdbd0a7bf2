//! The two APIs as one.

use std::{future::Future, sync::Arc, time::Duration};

use redlock_testkit::{MemoryCache, MemoryNode};
use redlocks::{
    ComputeError, Error, Found, Lease, Listed, LockNode, LossReason, Redlock, RedlockBuilder,
    Release, Renewal, Reset, ResourceSet, Retry, Runtime, Status, Token, TokioRuntime,
};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A redlock of one of the APIs. Everything that waits is async here; over the blocking API it has
/// been done when it is polled for the first time.
pub(crate) trait Client {
    type Lock: Lock;

    fn lock(&self, resource: &str) -> Self::Lock;
    fn lock_all(&self, resources: &[&str]) -> Self::Lock;
    async fn inspect(&self, resource: &str) -> Result<Status, Error>;
    async fn is_locked(&self, resource: &str) -> Result<bool, Error>;
    async fn reset(&self, resource: &str) -> Result<Reset, Error>;
    /// All of it, of nodes that do not fail.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error>;
    async fn reset_all(&self, prefix: &str) -> Result<Vec<Listed>, Error>;
    /// Fresh for as long as the test takes.
    async fn get_or_compute(
        &self,
        cache: &MemoryCache,
        compute: impl FnOnce() -> Result<String, &'static str>,
    ) -> Result<Found<String>, ComputeError<&'static str>>;
    async fn adopt(&self, lease: &Lease) -> Result<GuardOf<Self>, Error>;
    async fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error>;
    async fn release(&self, lease: &Lease) -> Release;
    async fn settled(&self);
    async fn sleep(&self, time: Duration);
    /// Has the guard released elsewhere, in a while.
    fn release_later(&self, guard: GuardOf<Self>, after: Duration);
}

pub(crate) type GuardOf<C> = <<C as Client>::Lock as Lock>::Guard;

pub(crate) trait Lock: Clone {
    type Guard: Guard;
    type Owner: Owner;

    fn ttl(self, ttl: Duration) -> Self;
    fn renewal(self, renewal: Renewal) -> Self;
    fn max_hold(self, max_hold: Duration) -> Self;
    fn hold_at_least(self, hold_at_least: Duration) -> Self;
    fn owner(self, owner: &str) -> Self;
    fn retry(self, retry: Retry) -> Self;
    fn wait(self, patience: Duration) -> Self;
    fn reentrant(&self) -> Self::Owner;
    async fn try_acquire(&self) -> Result<Self::Guard, Error>;
    async fn try_acquire_as(&self, token: Token) -> Result<Self::Guard, Error>;
    async fn acquire(&self) -> Result<Self::Guard, Error>;
    async fn acquire_within(&self, patience: Duration) -> Result<Self::Guard, Error>;
    /// Runs a body that takes this long and tells the token of its lock.
    async fn run(&self, time: Duration) -> Result<Token, Error>;
}

pub(crate) trait Owner: Clone {
    type Guard: Nested;

    async fn try_acquire(&self) -> Result<Self::Guard, Error>;
    async fn acquire(&self) -> Result<Self::Guard, Error>;
    async fn acquire_within(&self, patience: Duration) -> Result<Self::Guard, Error>;
}

/// What can be asked of both kinds of guard.
pub(crate) trait Held {
    fn resources(&self) -> &ResourceSet;
    fn owner(&self) -> Option<&str>;
    fn lease(&self) -> Lease;
    fn is_valid(&self) -> bool;
    fn remaining(&self) -> Duration;
    fn margin(&self) -> usize;
    fn check(&self) -> Result<(), Error>;
    fn reason(&self) -> Option<LossReason>;
    /// Whether it is held and how much longer, by the signal for others.
    fn signal(&self) -> (bool, Duration);
    /// `None` if it has not been lost by the limit.
    async fn lost(&self, limit: Duration) -> Option<LossReason>;
    /// The same, by the signal for others.
    async fn signalled(&self, limit: Duration) -> Option<LossReason>;
    async fn extend(&mut self, ttl: Duration) -> Result<(), Error>;
}

pub(crate) trait Guard: Held {
    async fn release(self) -> Release;
    fn into_lease(self) -> Lease;
}

pub(crate) trait Nested: Held {
    async fn release(self) -> Option<Release>;
    fn depth(&self) -> usize;
}

/// Three nodes in memory.
pub(crate) struct Nodes(Vec<MemoryNode>);

impl Nodes {
    pub(crate) fn new() -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        Self(["a", "b", "c"].map(|label| MemoryNode::new(label, Arc::clone(&runtime))).into())
    }

    /// With a ttl of two seconds.
    pub(crate) fn builder(&self) -> RedlockBuilder {
        let nodes = self.0.iter().cloned().map(|node| Arc::new(node) as Arc<dyn LockNode>);
        let builder = Redlock::builder().ttl(2 * SECOND);
        nodes.fold(builder, RedlockBuilder::shared_node)
    }

    pub(crate) fn node(&self, place: usize) -> &MemoryNode {
        &self.0[place]
    }

    /// Two nodes lose all that they knew. Both are down before one is back: otherwise a renewal
    /// between the two would set the key again on the first.
    pub(crate) fn lose_the_majority(&self) {
        self.0[..2].iter().for_each(MemoryNode::crash_and_forget);
        self.0[..2].iter().for_each(MemoryNode::restart);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &MemoryNode> {
        self.0.iter()
    }

    /// How many keys there are of this resource.
    pub(crate) fn count_keys(&self, resource: &str) -> usize {
        let keys = self.0.iter().flat_map(MemoryNode::keys);
        keys.filter(|key| key.resource.as_str() == resource).count()
    }

    pub(crate) fn count_calls(&self) -> u64 {
        self.0.iter().map(|node| node.calls().total()).sum()
    }
}

/// Waits until nodes have no key of this resource. The ttl must be long, so that it is not what does
/// it.
///
/// For after a loss: it is told first and cleaned up then, so there may be nothing to settle yet.
pub(crate) async fn until_gone<C: Client>(nodes: &Nodes, client: &C, resource: &str) {
    let begun = std::time::Instant::now();
    while nodes.count_keys(resource) > 0 {
        assert!(begun.elapsed() < LONG / 2, "whoever lost it has not cleaned up");
        client.sleep(MS).await;
    }
}

/// Plays a body on the async API, on a runtime of one thread and on one of several.
pub(crate) fn play_async(body: impl Future<Output = ()>, threads: Option<usize>) {
    let mut builder = match threads {
        Some(threads) => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
        None => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build().unwrap().block_on(body);
}

/// Plays a body on the blocking API: whatever it awaits is done at once.
pub(crate) fn play_blocking(body: impl Future<Output = ()>) {
    use futures::FutureExt;
    body.now_or_never().expect("nothing in a blocking body is ever pending");
}

/// Each scenario, by both APIs and on each runtime.
macro_rules! play {
    ($($module:ident::$scenario:ident)*) => {$(
        mod $scenario {
            use super::{$module, Nodes, client};

            #[test]
            fn on_one_thread_of_tokio() {
                let nodes = Nodes::new();
                let client = nodes.builder().build().unwrap();
                client::play_async($module::$scenario(&nodes, &client), None);
            }

            #[test]
            fn on_several_threads_of_tokio() {
                let nodes = Nodes::new();
                let client = nodes.builder().build().unwrap();
                client::play_async($module::$scenario(&nodes, &client), Some(2));
            }

            #[test]
            fn on_smol() {
                let nodes = Nodes::new();
                let runtime = std::sync::Arc::new(redlocks::SmolRuntime::new());
                let client = nodes.builder().runtime(runtime).build().unwrap();
                smol::block_on($module::$scenario(&nodes, &client));
            }

            #[test]
            fn in_blocking_code() {
                let nodes = Nodes::new();
                let client = redlocks::blocking::Redlock::new(nodes.builder()).unwrap();
                client::play_blocking($module::$scenario(&nodes, &client));
            }
        }
    )*};
}
pub(crate) use play;
