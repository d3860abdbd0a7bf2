//! What clients did under their locks, and whether it can have been right: [`History`].

mod anomaly;
mod check;
mod record;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redlock_core::{Inspection, LockNode, Resource, Runtime};

pub use self::{
    anomaly::Anomaly,
    record::{Grant, Hold, Outcome, Update, Write},
};
use self::{check::check, record::Records};

/// A record of what clients did while they believed that they held a lock, written by themselves,
/// and a check of it afterwards.
///
/// It works for any lock over any nodes, real servers included, as long as all clients read one
/// clock: threads of one process do, and processes of one machine can be merged with
/// [`add_hold`](Self::add_hold). It looks for
///
/// * **overlap**: two holds of one resource at the same time, each proven by an answer of its own
///   guard;
/// * **lost updates**: two clients that read the same value and both wrote the next;
/// * **fences** that are not unique, or do not grow with every hold, or that a guarded resource
///   should have turned away;
/// * **orphans**: keys that are still there when everybody has finished.
///
/// What nobody knows stays unknown: a hold of a client that was killed counts up to the last moment
/// at which it was known to be valid, and an update whose outcome is [unknown](Outcome::Unknown)
/// may have happened or not. So every [`Anomaly`] is real, whatever else was going on.
///
/// ```
/// use redlock_core::{Redlock, Resource};
/// use redlock_testkit::{History, SimCluster, SimRuntime};
///
/// let sim = SimRuntime::new(1);
/// let redlock = Redlock::builder()
///     .nodes(SimCluster::new(&sim, 3).links())
///     .runtime(sim.shared())
///     .build()?;
/// let history = History::new(sim.shared());
///
/// sim.block_on(async {
///     let guard = redlock.lock("orders").try_acquire().await.unwrap();
///     let hold = history.begin("client 1", guard.resource(), || guard.is_valid()).unwrap();
///     // Work, and from time to time:
///     hold.confirm(|| guard.is_valid());
///     guard.release().await;
/// });
/// assert!(history.check().is_empty());
/// # Ok::<(), redlock_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct History {
    clock: Arc<dyn Runtime>,
    records: Arc<Mutex<Records>>,
}

/// A hold that is being recorded. Dropped, it stays in the history as far as it was confirmed.
#[derive(Debug)]
#[must_use = "a hold that is not confirmed is a single moment"]
pub struct HoldRecord {
    history: History,
    place: usize,
}

impl History {
    /// An empty history on the clock that all its clients read.
    #[must_use]
    pub fn new(clock: Arc<dyn Runtime>) -> Self {
        Self { clock, records: Arc::default() }
    }

    /// A hold begins: to be called when a guard has been acquired. `is_valid` asks the guard.
    ///
    /// `None` if the guard is not valid any more; there is nothing to record then.
    pub fn begin(
        &self,
        client: impl Into<Arc<str>>,
        resource: &Resource,
        is_valid: impl FnOnce() -> bool,
    ) -> Option<HoldRecord> {
        // The clock first: a guard that says afterwards that it is valid has been so since.
        let now = self.clock.now();
        if !is_valid() {
            return None;
        }
        let place = self.add_hold(Hold::new(client, resource.clone(), now, now));
        Some(HoldRecord { history: self.clone(), place })
    }

    /// Adds a hold that was recorded elsewhere, by the same clock. Returns how many there were
    /// before.
    pub fn add_hold(&self, hold: Hold) -> usize {
        let holds = &mut self.records().holds;
        holds.push(hold);
        holds.len() - 1
    }

    /// A lock was had with a fencing token.
    pub fn grant(&self, grant: Grant) {
        self.records().grants.push(grant);
    }

    /// A client that holds the lock of `resource` has read a counter and written the next number.
    pub fn update(&self, update: Update) {
        self.records().updates.push(update);
    }

    /// A resource that compares fencing tokens was asked to write. To be called in the order in
    /// which the resource decided.
    pub fn write(&self, write: Write) {
        self.records().writes.push(write);
    }

    /// Looks for keys of these resources, on all nodes, when everybody has finished and every
    /// clean-up is over. A node that does not answer tells nothing.
    ///
    /// # Cancel safety
    ///
    /// What was found until then is recorded.
    pub async fn scan(&self, nodes: &[Arc<dyn LockNode>], resources: &[Resource]) {
        for node in nodes {
            for resource in resources {
                if let Ok(Inspection::Held { .. }) = node.inspect(resource).await {
                    let orphan = (Arc::from(node.label()), resource.clone());
                    self.records().orphans.push(orphan);
                }
            }
        }
    }

    /// Everything in the record that cannot have been right.
    #[must_use]
    pub fn check(&self) -> Vec<Anomaly> {
        check(&self.records())
    }

    /// How many grants have been recorded: a check of none proves nothing.
    #[must_use]
    pub fn grants(&self) -> usize {
        self.records().grants.len()
    }

    /// How many holds have been recorded: a check of none proves nothing.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.records().holds.len()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // A record is pushed whole or not at all.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HoldRecord {
    /// Records that the hold has lasted until now, if the guard says so. Returns what it said.
    pub fn confirm(&self, is_valid: impl FnOnce() -> bool) -> bool {
        let now = self.history.clock.now();
        let valid = is_valid();
        if valid {
            self.change(|hold| hold.to = hold.to.max(now));
        }
        valid
    }

    /// Records the fencing token of this hold.
    #[must_use = "a hold that is not confirmed is a single moment"]
    pub fn fenced(self, fence: u64) -> Self {
        self.change(|hold| hold.fence = Some(fence));
        self
    }

    fn change(&self, change: impl FnOnce(&mut Hold)) {
        if let Some(hold) = self.history.records().holds.get_mut(self.place) {
            change(hold);
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("records", &*self.records()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
