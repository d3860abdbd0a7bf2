//! A value that is computed once, by plain code: it may block, use other locks, and panic.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use redlock_blocking::Redlock;
use redlock_core::{ComputeError, Error, Origin, Outage, Renewal, Stored};
use redlock_testkit::{CacheFault, MemoryCache, MemoryNode};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);
/// The resource that the key `k` stands for.
const RESOURCE: &str = "redlocks:compute:k";

fn stage() -> (Vec<MemoryNode>, Redlock, MemoryCache) {
    let nodes = MemoryNode::cluster(3);
    let builder = redlock_core::Redlock::builder().nodes(nodes.clone()).ttl(LONG);
    (nodes, Redlock::new(builder).unwrap(), MemoryCache::on_tokio())
}

fn count_keys(nodes: &[MemoryNode]) -> usize {
    let keys = nodes.iter().flat_map(MemoryNode::keys);
    keys.filter(|key| key.resource.as_str() == RESOURCE).count()
}

#[test]
fn one_thread_of_many_computes_and_the_others_have_its_value() {
    let (nodes, redlock, cache) = stage();
    let (computed, all_are_there) = (AtomicUsize::new(0), Barrier::new(8));
    let get = || {
        all_are_there.wait();
        let asked = redlock.get_or_compute(&cache, "k", LONG).wait(LONG);
        asked.run(|| {
            thread::sleep(50 * MS);
            Ok::<_, ()>(format!("number {}", computed.fetch_add(1, SeqCst)))
        })
    };
    let all: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(get)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert!(all.iter().all(|found| found.value() == "number 0"), "{all:?}");
    assert_eq!(all.iter().filter(|found| found.is_computed()).count(), 1);
    assert!(redlock.settled(LONG).unwrap());
    assert_eq!(count_keys(&nodes), 0);
}

/// Inside of the search it would count as code of a runtime, where blocking calls are refused.
#[test]
fn a_computation_may_block_and_use_locks_itself() {
    let (nodes, redlock, cache) = stage();
    let found = redlock.get_or_compute(&cache, "k", LONG).run(|| {
        assert!(tokio::runtime::Handle::try_current().is_err());
        assert_eq!(count_keys(&nodes), 3);
        let inner = redlock.get_or_compute(&cache, "inner", LONG).run(|| Ok("inner".to_owned()))?;
        let part =
            redlock.lock("source").run(|guard| guard.is_valid()).map_err(ComputeError::Lock)?;
        Ok::<_, ComputeError<()>>(format!("{} {part}", inner.value()))
    });
    assert_eq!(found.unwrap().value(), "inner true");
}

#[test]
fn the_lock_is_renewed_while_this_thread_computes() {
    let (nodes, redlock, cache) = stage();
    let asked = redlock.get_or_compute(&cache, "k", LONG);
    let asked =
        asked.locked(|lock| lock.ttl(2000 * MS).renewal(Renewal::every(100 * MS)).owner("slow"));
    let found = asked.run(|| {
        assert_eq!(redlock.inspect(RESOURCE).unwrap().owner(), Some("slow"));
        thread::sleep(2500 * MS);
        assert_eq!(count_keys(&nodes), 3);
        Ok::<_, ()>("late".to_owned())
    });
    let found = found.unwrap();
    assert!(matches!(found.origin(), Origin::Computed(Stored::Yes)), "{found:?}");
}

#[test]
fn a_value_that_comes_after_the_lock_is_lost_is_told_and_not_stored() {
    let (_, redlock, cache) = stage();
    let asked = redlock.get_or_compute(&cache, "k", LONG);
    let asked = asked.locked(|lock| lock.ttl(300 * MS).renewal(Renewal::off()));
    let found = asked.run(|| {
        thread::sleep(600 * MS);
        Ok::<_, ()>("late".to_owned())
    });
    let found = found.unwrap();
    assert!(matches!(found.origin(), Origin::Computed(Stored::TooLate)), "{found:?}");
    assert_eq!((found.value().as_str(), cache.writes()), ("late", 0));
}

#[test]
fn there_may_be_no_value_and_none_is_kept() {
    let (nodes, redlock, cache) = stage();
    let ask = || redlock.get_or_compute(&cache, "k", LONG);
    let none = ask().run_optional(|| Ok::<_, ()>(None::<String>)).unwrap();
    assert!(none.value().is_none() && none.is_computed());
    let some = ask().run_optional(|| Ok::<_, ()>(Some("there".to_owned()))).unwrap();
    assert!(some.is_computed());
    let found = ask().run_optional(|| -> Result<Option<String>, ()> { panic!("it is there") });
    assert_eq!(found.unwrap().into_value().as_deref(), Some("there"));
    assert!(redlock.settled(LONG).unwrap());
    assert_eq!(count_keys(&nodes), 0);
}

#[test]
fn a_panic_of_the_computation_releases() {
    let (nodes, redlock, cache) = stage();
    let asked = redlock.get_or_compute(&cache, "k", LONG);
    let run = AssertUnwindSafe(|| asked.run(|| -> Result<String, ()> { panic!("in the middle") }));
    catch_unwind(run).unwrap_err();
    assert!(redlock.settled(LONG).unwrap());
    assert_eq!((count_keys(&nodes), cache.writes()), (0, 0));
}

#[test]
fn a_search_that_fails_computes_nothing() {
    let (nodes, redlock, cache) = stage();
    let ask = || redlock.get_or_compute(&cache, "k", LONG).wait(50 * MS);
    let compute = || -> Result<String, ()> { panic!("without the lock") };
    let other = redlock.lock(RESOURCE).acquire().unwrap();
    let error = ask().run(compute).unwrap_err();
    assert!(matches!(error, ComputeError::Lock(Error::TimedOut { .. })), "{error:?}");
    drop(other);

    cache.fault_reads(CacheFault::Fail);
    let error = ask().run(compute).unwrap_err();
    assert!(matches!(error, ComputeError::Cache(_)), "{error:?}");
    cache.fault_reads(CacheFault::Hang);
    let asked = ask().cache_timeout(20 * MS).on_cache_outage(Outage::Compute);
    let found = asked.run(|| Ok::<_, ()>("unlocked".to_owned())).unwrap();
    assert!(matches!(found.origin(), Origin::Unlocked(_)), "{found:?}");
    cache.fault_reads(CacheFault::None);

    let (before, reads) = (count_keys(&nodes), cache.reads());
    let refused = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { ask().run(compute).unwrap_err() });
    assert!(matches!(refused, ComputeError::Lock(Error::InsideRuntime)), "{refused:?}");
    assert_eq!((count_keys(&nodes), cache.reads()), (before, reads), "nobody was asked");
}
