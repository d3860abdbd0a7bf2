//! A cache in memory: [`MemoryCache`].

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redlock_core::{Age, Cache, CacheError, Cached, Freshness, Moment, Runtime, async_trait};

/// A cache that keeps its values in the memory of this process, with what can happen to one on a
/// server at the push of a button.
///
/// Both lifetimes of a value follow the clock of the [`Runtime`] that it was made with, so in paused
/// or simulated time nothing is ever slept for. Clones are handles to the same cache.
///
/// ```
/// use std::time::Duration;
///
/// use redlock_core::{Age, Cache, Freshness};
/// use redlock_testkit::{MemoryCache, SimRuntime};
///
/// let sim = SimRuntime::new(1);
/// let cache = MemoryCache::new(sim.shared());
/// let second = Duration::from_secs(1);
/// let freshness = Freshness::new(second, 2 * second)?;
/// sim.block_on(cache.write("rates", b"1.08", freshness)).unwrap();
///
/// let age = || sim.block_on(cache.read("rates")).unwrap().map(|cached| cached.age);
/// assert_eq!(age(), Some(Age::Fresh));
/// sim.advance(second);
/// assert_eq!(age(), Some(Age::Stale));
/// sim.advance(2 * second);
/// assert_eq!(age(), None);
/// # Ok::<(), redlock_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct MemoryCache(Arc<Shared>);

struct Shared {
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    faults: [CacheFault; 2],
    calls: [usize; 2],
}

struct Entry {
    value: Vec<u8>,
    end: Moment,
    stale_for: Duration,
}

/// What happens to the calls of a [`MemoryCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheFault {
    /// Nothing.
    #[default]
    None,
    /// They reach the cache only after so long.
    Delay(Duration),
    /// They fail, and are not carried out.
    Fail,
    /// They are not carried out, and no answer ever comes.
    Hang,
}

impl MemoryCache {
    /// An empty cache on the clock of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self(Arc::new(Shared { runtime, state: Mutex::default() }))
    }

    /// An empty cache on tokio's clock, which a test may pause and advance.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn on_tokio() -> Self {
        Self::new(Arc::new(redlock_core::TokioRuntime::new()))
    }

    /// From now on this happens to what is read.
    pub fn fault_reads(&self, fault: CacheFault) {
        self.state().faults[READ] = fault;
    }

    /// From now on this happens to what is written.
    pub fn fault_writes(&self, fault: CacheFault) {
        self.state().faults[WRITE] = fault;
    }

    /// How often it has been asked for a value, in vain or not.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.state().calls[READ]
    }

    /// How often it has been given a value, in vain or not.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.state().calls[WRITE]
    }

    /// Loses the value under this key, as a server does that is short of memory.
    pub fn forget(&self, key: &str) {
        self.state().entries.remove(key);
    }

    async fn meet(&self, what: usize) -> Result<(), CacheError> {
        let fault = {
            let mut state = self.state();
            state.calls[what] += 1;
            state.faults[what]
        };
        match fault {
            CacheFault::None => Ok(()),
            CacheFault::Fail => Err(CacheError::new("it was told to")),
            CacheFault::Hang => pending().await,
            CacheFault::Delay(delay) => {
                let runtime = &self.0.runtime;
                runtime.sleep_until(runtime.now().after(delay)).await;
                Ok(())
            }
        }
    }

    /// Never held across an await or a call to other code.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn read(&self, key: &str) -> Result<Option<Cached>, CacheError> {
        self.meet(READ).await?;
        let now = self.0.runtime.now();
        let state = self.state();
        let entry = state.entries.get(key).filter(|entry| entry.end > now);
        Ok(entry.map(|Entry { value, end, stale_for }| Cached {
            value: value.clone(),
            age: Age::of(end.since(now), *stale_for),
        }))
    }

    async fn write(&self, key: &str, value: &[u8], freshness: Freshness) -> Result<(), CacheError> {
        self.meet(WRITE).await?;
        let end = self.0.runtime.now().after(freshness.kept_for());
        let entry = Entry { value: value.to_vec(), end, stale_for: freshness.stale_for() };
        self.state().entries.insert(key.to_owned(), entry);
        Ok(())
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

// The places of both kinds of calls in what is kept of each.
const READ: usize = 0;
const WRITE: usize = 1;
