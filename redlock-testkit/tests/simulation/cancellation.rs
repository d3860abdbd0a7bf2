//! Every operation, dropped at every point at which it can be dropped (R26): nothing stays behind.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use redlock_core::{Guard, Redlock, Retry};
use redlock_testkit::{Network, SimClient, SimCluster, SimRandom, SimRuntime};

/// A client over three nodes, for one try.
struct World {
    sim: SimRuntime,
    cluster: SimCluster,
    redlock: Redlock,
}

impl World {
    fn new(seed: u64) -> Self {
        let sim = SimRuntime::new(seed);
        let cluster = SimCluster::new(&sim, 3);
        let connections = 1 + usize::from(seed % 2 == 1);
        cluster.network(Network { connections, ..Network::default() });
        let (_, redlock) = Self::join(&sim, &cluster, seed);
        Self { sim, cluster, redlock }
    }

    fn join(sim: &SimRuntime, cluster: &SimCluster, seed: u64) -> (SimClient, Redlock) {
        let client = sim.client();
        let redlock = Redlock::builder()
            .nodes(cluster.links())
            .ttl(TTL)
            .retry(Retry::fixed(5 * MS).attempts(4).unwrap())
            .runtime(client.shared())
            .random(Arc::new(SimRandom::new(seed)))
            .build()
            .unwrap();
        (client, redlock)
    }

    fn acquired(&self) -> Guard {
        self.sim.block_on(self.redlock.lock("r").try_acquire()).unwrap()
    }

    /// Somebody else has the lock for a few milliseconds.
    fn contended(self) -> Self {
        let (other, theirs) = Self::join(&self.sim, &self.cluster, 77);
        let guard = self.sim.block_on(theirs.lock("r").try_acquire()).unwrap();
        let hold = other.sleep(12 * MS);
        let task = async move {
            hold.await;
            guard.release().await;
            theirs.settled().await;
        };
        other.spawn(task).unwrap();
        self
    }

    fn keys(&self) -> usize {
        self.cluster.nodes().iter().map(|node| node.keys().len()).sum()
    }

    /// Polls the operation this often at most, forgets about it for a while, and drops it. Tells
    /// whether it had completed.
    fn abandon<T>(&self, operation: impl Future<Output = T>, polls: u32, idle: Duration) -> bool {
        self.sim.block_on(async {
            let mut operation = pin!(operation);
            let done = poll_times(operation.as_mut(), polls).await;
            self.sim.sleep(idle).await;
            done.is_some()
        })
    }

    /// Waits for the clean-up, which must not take anything like a ttl, and looks for keys.
    fn is_clean(&self) -> bool {
        let start = self.sim.now();
        self.sim.block_on(async {
            // Whoever else is at work ends by himself.
            self.sim.sleep(30 * MS).await;
            self.redlock.settled().await;
        });
        let took = self.sim.now().since(start);
        assert!(took < 100 * MS, "clean-up took {took:?}");
        self.keys() == 0
    }
}

/// `None` if the future was still pending at the last poll.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, polls: u32) -> Option<F::Output> {
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Tries every number of polls until the operation completes, with several seeds and with several
/// times between the last poll and the drop.
fn at_every_point(operation: impl Fn(u64, u32, Duration) -> bool) {
    let mut most = 0;
    for seed in 0..10 {
        for idle in [Duration::ZERO, MS / 2, 3 * MS] {
            let polls = (0..).find(|&polls| operation(seed, polls, idle)).unwrap();
            most = most.max(polls);
        }
    }
    assert!(most > 2, "an operation over three nodes cannot be done in {most} polls");
}

/// The operation on a fresh world leaves nothing behind, wherever it is dropped.
fn leaves_nothing(world: fn(u64) -> World, operation: impl AsyncFn(&Redlock)) {
    at_every_point(|seed, polls, idle| {
        let world = world(seed);
        let done = world.abandon(operation(&world.redlock), polls, idle);
        assert!(world.is_clean(), "seed {seed}: keys after {polls} polls and {idle:?}");
        world.sim.shut_down();
        done
    });
}

#[test]
fn a_dropped_try_acquire_leaves_nothing() {
    leaves_nothing(World::new, async |redlock| drop(redlock.lock("r").try_acquire().await));
}

#[test]
fn a_dropped_acquire_leaves_nothing() {
    leaves_nothing(World::new, async |redlock| drop(redlock.lock("r").acquire().await));
    leaves_nothing(
        |seed| World::new(seed).contended(),
        async |redlock| drop(redlock.lock("r").acquire().await),
    );
}

#[test]
fn a_dropped_acquire_within_leaves_nothing() {
    leaves_nothing(
        |seed| World::new(seed).contended(),
        async |redlock| drop(redlock.lock("r").acquire_within(60 * MS).await),
    );
}

#[test]
fn a_dropped_run_leaves_nothing() {
    leaves_nothing(World::new, async |redlock| {
        let yields = async |_| poll_twice().await;
        drop(redlock.lock("r").run(yields).await);
    });
}

#[test]
fn a_dropped_release_leaves_nothing() {
    at_every_point(|seed, polls, idle| {
        let world = World::new(seed);
        let guard = world.acquired();
        let done = world.abandon(guard.release(), polls, idle);
        assert!(world.is_clean(), "seed {seed}: keys after {polls} polls and {idle:?}");
        world.sim.shut_down();
        done
    });
}

#[test]
fn a_dropped_release_of_a_lease_leaves_nothing() {
    at_every_point(|seed, polls, idle| {
        let world = World::new(seed);
        let lease = world.acquired().into_lease();
        let done = world.abandon(world.redlock.release(&lease), polls, idle);
        if polls > 0 {
            assert!(world.is_clean(), "seed {seed}: keys after {polls} polls and {idle:?}");
        }
        world.sim.shut_down();
        done
    });
}

/// One node grants late, when the lock has been released from its lease: the release overtook. A
/// lease cannot know of that, so this is a limit, and the ttl is what ends it.
#[test]
fn a_vote_that_comes_after_its_lease_was_released_is_left_to_its_ttl() {
    let spiky =
        Network { connections: 3, spikes: 0.4, longest_spike: 50 * MS, ..Network::default() };
    let mut left = 0;
    for seed in 0..50 {
        let world = World::new(seed);
        world.cluster.network(spiky);
        let acquired = world.sim.block_on(world.redlock.lock("r").try_acquire());
        if let Ok(lease) = acquired.map(Guard::into_lease) {
            world.sim.block_on(world.redlock.release(&lease));
        }
        world.sim.advance(100 * MS);
        world.sim.block_on(world.redlock.settled());
        assert!(world.keys() < 2, "seed {seed}: more than a minority, so nobody could have it");
        left += world.keys();
        world.sim.advance(TTL);
        assert_eq!(world.keys(), 0, "seed {seed}");
        world.sim.shut_down();
    }
    assert!(left > 0);
}

#[test]
fn a_dropped_extend_leaves_the_lock_as_it_was_or_longer_and_nothing_after_its_release() {
    at_every_point(|seed, polls, idle| {
        let world = World::new(seed);
        let mut guard = world.acquired();
        world.sim.advance(TTL / 2);
        let before = guard.lease().until();
        let done = world.abandon(guard.extend(TTL), polls, idle);
        assert!(guard.is_valid());
        if done {
            assert!(guard.lease().until() > before);
        } else {
            assert_eq!(guard.lease().until(), before);
        }
        drop(guard);
        assert!(world.is_clean(), "seed {seed}: keys after {polls} polls and {idle:?}");
        world.sim.shut_down();
        done
    });
}

#[test]
fn a_dropped_adopt_leaves_the_lease_to_be_released() {
    at_every_point(|seed, polls, idle| {
        let world = World::new(seed);
        let lease = world.acquired().into_lease();
        let adopted = Rc::new(Cell::new(false));
        let seen = Rc::clone(&adopted);
        let adopt = async {
            // A guard that is dropped releases, so it is taken apart again.
            if let Ok(guard) = world.redlock.adopt(&lease).await {
                seen.set(true);
                drop(guard.into_lease());
            }
        };
        let done = world.abandon(adopt, polls, idle);
        assert_eq!(done, adopted.get());
        let release = world.sim.block_on(world.redlock.release(&lease));
        assert!(release.is_released(), "seed {seed}: lost after {polls} polls and {idle:?}");
        assert!(world.is_clean(), "seed {seed}: keys after {polls} polls and {idle:?}");
        world.sim.shut_down();
        done
    });
}

#[test]
fn a_guard_that_outlives_its_redlock_is_released_when_it_is_dropped() {
    for seed in 0..20 {
        let world = World::new(seed);
        let guard = world.acquired();
        let World { sim, cluster, redlock } = world;
        drop(redlock);
        sim.advance(10 * MS);
        assert!(guard.is_valid());
        drop(guard);
        sim.advance(10 * MS);
        assert!(cluster.nodes().iter().all(|node| node.keys().is_empty()), "seed {seed}");
        sim.shut_down();
    }
}

/// The proof that the others could fail.
#[test]
fn a_guard_that_is_forgotten_leaves_its_keys() {
    let world = World::new(1);
    std::mem::forget(world.acquired());
    assert!(!world.is_clean());
    world.sim.shut_down();
}

/// A body that takes a few polls.
async fn poll_twice() {
    for _ in 0..2 {
        let mut yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

const MS: Duration = Duration::from_millis(1);
const TTL: Duration = Duration::from_secs(10);
