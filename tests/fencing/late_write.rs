//! The story that fencing tokens are for, in simulated time: Alice looks whether she still holds the
//! lock, is paused for longer than her lease, and then writes. Meanwhile Bob has become the holder
//! and has written.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join;
use redlock_testkit::{SimCluster, SimRuntime};
use redlocks::{Fence, Redlock, Stale};

/// What the lock protects.
pub(crate) trait Store: Send + 'static {
    fn write(&mut self, text: &str, fence: Fence) -> Result<(), Stale>;

    fn read(&mut self) -> String;
}

/// What has become of it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) stands: String,
    /// What Alice was told.
    pub(crate) late: Result<(), Stale>,
    /// What Bob was told.
    pub(crate) next: Result<(), Stale>,
    pub(crate) fences: [Fence; 2],
}

impl Ending {
    /// The late write was refused, by name, and the next holder's stands.
    pub(crate) fn assert_refused(&self) {
        let [alices, bobs] = self.fences;
        assert!(alices < bobs, "{self:?}");
        assert_eq!(self.next, Ok(()), "{self:?}");
        assert_eq!(self.late, Err(Stale::new(alices, bobs)), "{self:?}");
        assert_eq!(self.stands, "bob", "{self:?}");
    }

    /// Nobody noticed, and what the next holder wrote is gone.
    pub(crate) fn assert_lost(&self) {
        assert_eq!((self.late, self.next), (Ok(()), Ok(())), "{self:?}");
        assert_eq!(self.stands, "alice", "{self:?}");
    }
}

pub(crate) fn late_write(seed: u64, store: impl Store) -> Ending {
    let sim = SimRuntime::new(seed);
    let cluster = SimCluster::new(&sim, 3);
    let store = Arc::new(Mutex::new(store));
    let holder = |name: &'static str, comes_after: Duration, paused: Duration| {
        let process = sim.client();
        let redlock = Redlock::builder().nodes(cluster.links()).runtime(process.shared());
        let redlock = redlock.fencing(true).build().unwrap();
        let (world, store) = (process.clone(), Arc::clone(&store));
        process.run(async move {
            world.sleep(comes_after).await;
            let lock = redlock.lock("r").ttl(LEASE);
            let guard = lock.acquire_within(10 * LEASE).await.unwrap();
            let fence = guard.fencing_token().unwrap();
            guard.check().unwrap();
            if !paused.is_zero() {
                world.freeze(paused);
                world.sleep(Duration::from_millis(1)).await;
                // Nobody asks now: that is the hole.
            }
            (fence, store.lock().unwrap().write(name, fence))
        })
    };
    let alice = holder("alice", Duration::ZERO, 3 * LEASE);
    let bob = holder("bob", LEASE / 10, Duration::ZERO);
    let (alice, bob) = sim.block_on(join(alice, bob));
    let ((alices, late), (bobs, next)) = (alice.unwrap(), bob.unwrap());
    let stands = store.lock().unwrap().read();
    Ending { stands, late, next, fences: [alices, bobs] }
}

/// Enough for latencies and time-outs to differ.
pub(crate) const SEEDS: std::ops::Range<u64> = 0..20;

const LEASE: Duration = Duration::from_secs(10);
