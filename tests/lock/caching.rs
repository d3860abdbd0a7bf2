//! One computes, all have the value: every way in which that can go.

use std::{
    cell::Cell,
    future::pending,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{MS, Nodes, SECOND};
use futures::{FutureExt, future::join_all};
use redlock_testkit::{CacheFault, Fault, MemoryCache, Operation};
use redlocks::{
    Cache, Cacheable, ComputeError, ConfigError, Error, Found, Freshness, GetOrCompute, Origin,
    Outage, Redlock, Renewal, Stored,
};
use tokio::time::{Instant, advance, sleep};

type Got = Result<Found<String>, ComputeError<&'static str>>;

/// Three nodes that take a millisecond each way, a cache, and how often something was computed.
struct Stage {
    nodes: Nodes,
    redlock: Redlock,
    cache: MemoryCache,
    computed: Arc<AtomicUsize>,
}

impl Stage {
    fn new() -> Self {
        let nodes = Nodes::new(3);
        for node in &nodes.0 {
            node.rule(|_, _| Fault::DelayRequest(MS));
        }
        let (redlock, cache) = (nodes.redlock(), MemoryCache::on_tokio());
        Self { nodes, redlock, cache, computed: Arc::default() }
    }

    /// Fresh for a second.
    fn ask(&self) -> GetOrCompute<'_> {
        self.ask_by(&self.redlock)
    }

    fn ask_by(&self, redlock: &Redlock) -> GetOrCompute<'_> {
        redlock.get_or_compute(&self.cache, "k", SECOND).locked(|lock| lock.ttl(SECOND))
    }

    /// Computes for so long: `1`, `2`, `3` …
    async fn compute(&self, takes: Duration) -> Result<String, &'static str> {
        let count = self.computed.fetch_add(1, Ordering::Relaxed) + 1;
        sleep(takes).await;
        Ok(count.to_string())
    }

    async fn get(&self, asked: GetOrCompute<'_>) -> Got {
        asked.run(async || self.compute(100 * MS).await).await
    }

    fn computed(&self) -> usize {
        self.computed.load(Ordering::Relaxed)
    }

    async fn cached(&self) -> Option<String> {
        let cached = self.cache.read("k").await.unwrap()?;
        Some(String::from_utf8(cached.value).unwrap())
    }

    async fn put(&self, value: &str, fresh_for: Duration, stale_for: Duration) {
        let freshness = Freshness::new(fresh_for, stale_for).unwrap();
        self.cache.write("k", value.as_bytes(), freshness).await.unwrap();
    }

    async fn assert_clean(&self) {
        self.nodes.assert_clean(&self.redlock).await;
    }
}

/// The resource that the key `k` stands for.
const RESOURCE: &str = "redlocks:compute:k";

fn value(got: &Got) -> &str {
    got.as_ref().unwrap().value()
}

#[tokio::test(start_paused = true)]
async fn the_first_computes_and_the_next_finds_it() {
    let stage = Stage::new();
    let first = stage.get(stage.ask()).await.unwrap();
    assert!(matches!(first.origin(), Origin::Computed(Stored::Yes)), "{first:?}");
    assert!(first.is_computed());
    let before = stage.nodes.memory(0).calls().acquire;
    let next = stage.get(stage.ask()).await.unwrap();
    assert!(matches!(next.origin(), Origin::Cached), "{next:?}");
    assert_eq!((first.into_value(), next.into_value()), ("1".to_owned(), "1".to_owned()));
    assert_eq!(stage.nodes.memory(0).calls().acquire, before, "a hit asks no node");
    // A second later it has to be computed anew.
    sleep(SECOND).await;
    assert_eq!(value(&stage.get(stage.ask()).await), "2");
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn of_fifty_in_one_process_one_computes_and_the_others_do_not_queue_for_the_lock() {
    let stage = Stage::new();
    let all: Vec<Got> = join_all((0..50).map(|_| stage.get(stage.ask()))).await;
    assert!(all.iter().all(|got| value(got) == "1"), "{all:?}");
    assert_eq!(stage.computed(), 1);
    let computed = all.iter().filter(|got| got.as_ref().unwrap().is_computed()).count();
    assert_eq!(computed, 1);
    // The one who computes, and perhaps the next in the queue.
    let asked = stage.nodes.memory(0).calls().acquire;
    assert!(asked <= 2, "{asked} attempts");
    stage.assert_clean().await;
}

/// Long enough that nobody looks by himself at the right moment.
#[tokio::test(start_paused = true)]
async fn in_one_process_all_are_told_at_once() {
    let stage = Stage::new();
    let begun = Instant::now();
    let all = (0..50).map(|_| {
        let asked = stage.ask().locked(|lock| lock.renewal(Renewal::every(200 * MS)));
        asked.run(async || stage.compute(9 * SECOND).await)
    });
    let all: Vec<Got> = join_all(all).await;
    assert!(all.iter().all(|got| value(got) == "1"), "{all:?}");
    assert!(begun.elapsed() < 9 * SECOND + 50 * MS, "{:?}", begun.elapsed());
}

/// The lock is never free for him, nor does anybody tell.
#[tokio::test(start_paused = true)]
async fn who_waits_sees_the_value_without_having_had_the_lock() {
    let stage = Stage::new();
    stage.nodes.occupy([0, 1, 2], RESOURCE, 60 * SECOND).await;
    let begun = Instant::now();
    let (got, ()) = tokio::join!(stage.get(stage.ask()), async {
        sleep(500 * MS).await;
        stage.put("theirs", SECOND, Duration::ZERO).await;
    });
    let found = got.unwrap();
    assert!(matches!(found.origin(), Origin::Cached), "{found:?}");
    assert_eq!(found.value(), "theirs");
    assert!(begun.elapsed() < 650 * MS, "{:?}", begun.elapsed());
    assert!(stage.cache.reads() < 20, "{} looks", stage.cache.reads());
}

#[tokio::test(start_paused = true)]
async fn of_fifty_processes_one_computes() {
    let stage = Stage::new();
    let redlocks: Vec<Redlock> = (0..50).map(|_| stage.nodes.redlock()).collect();
    let patient = |redlock| stage.ask_by(redlock).wait(60 * SECOND);
    let all: Vec<Got> = join_all(redlocks.iter().map(|redlock| stage.get(patient(redlock)))).await;
    assert!(all.iter().all(|got| value(got) == "1"), "{all:?}");
    assert_eq!(stage.computed(), 1);
    for redlock in &redlocks {
        redlock.settled().await;
    }
    assert_eq!(stage.nodes.count_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn different_keys_do_not_wait_for_each_other() {
    let stage = Stage::new();
    let begun = Instant::now();
    let keys: Vec<String> = (0..20).map(|key| format!("k{key}")).collect();
    let all = keys.iter().map(|key| {
        let asked = stage.redlock.get_or_compute(&stage.cache, key.as_str(), SECOND);
        stage.get(asked)
    });
    assert_eq!(join_all(all).await.into_iter().filter(Result::is_ok).count(), 20);
    assert_eq!(stage.computed(), 20);
    assert!(begun.elapsed() < 200 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_had_at_once_while_one_computes() {
    let stage = Stage::new();
    stage.put("old", MS, 60 * SECOND).await;
    sleep(10 * MS).await;
    let other = stage.nodes.redlock();
    let get = async |redlock: &Redlock, after: Duration| {
        sleep(after).await;
        let begun = Instant::now();
        let got = stage.get(stage.ask_by(redlock).stale_for(60 * SECOND)).await;
        (got.unwrap(), begun.elapsed())
    };
    // By then the first is computing.
    let later = 20 * MS;
    let ((first, _), (here, took_here), (there, took_there)) = tokio::join!(
        get(&stage.redlock, Duration::ZERO),
        get(&stage.redlock, later),
        get(&other, later),
    );
    assert!(matches!(first.origin(), Origin::Computed(Stored::Yes)), "{first:?}");
    for (stale, took) in [(here, took_here), (there, took_there)] {
        assert!(matches!(stale.origin(), Origin::Stale), "{stale:?}");
        assert_eq!(stale.value(), "old");
        assert!(took < 20 * MS, "{took:?}");
    }
    assert_eq!(get(&other, MS).await.0.value(), "1");
    stage.assert_clean().await;
}

/// Who has not asked for stale values does not get one that others have kept.
#[tokio::test(start_paused = true)]
async fn a_stale_value_is_not_for_those_who_want_a_fresh_one() {
    let stage = Stage::new();
    stage.put("old", MS, 60 * SECOND).await;
    sleep(10 * MS).await;
    let (one, two) = tokio::join!(stage.get(stage.ask()), stage.get(stage.ask()));
    assert_eq!((value(&one), value(&two)), ("1", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_outlives_the_majority_of_the_nodes() {
    let stage = Stage::new();
    stage.put("old", MS, 10 * SECOND).await;
    sleep(10 * MS).await;
    stage.nodes.memory(0).crash();
    stage.nodes.memory(1).crash();
    let stale = stage.get(stage.ask().stale_for(SECOND)).await.unwrap();
    assert!(matches!(stale.origin(), Origin::Stale), "{stale:?}");
    assert_eq!(stage.computed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_fails_is_its_callers_and_the_next_tries() {
    let stage = Stage::new();
    let tries = Cell::new(0);
    let once = || async {
        let asked = stage.ask().wait(5 * SECOND);
        asked
            .run(async || {
                tries.set(tries.get() + 1);
                let mine = tries.get();
                sleep(100 * MS).await;
                if mine < 3 { Err("no") } else { Ok(mine.to_string()) }
            })
            .await
    };
    let all: Vec<Got> = join_all((0..5).map(|_| once())).await;
    assert_eq!(tries.get(), 3);
    let failed = all.iter().filter(|got| matches!(got, Err(ComputeError::Compute("no"))));
    assert_eq!(failed.count(), 2);
    assert_eq!(all.iter().flatten().filter(|found| found.value() == "3").count(), 3);
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_panics_leaves_the_next_his_try() {
    let stage = Stage::new();
    let panics = stage.ask().run(async || -> Result<String, &'static str> {
        sleep(50 * MS).await;
        panic!("in the computation")
    });
    let (panicked, next) = tokio::join!(AssertUnwindSafe(panics).catch_unwind(), async {
        sleep(10 * MS).await;
        stage.get(stage.ask().wait(SECOND)).await
    });
    assert!(panicked.is_err());
    assert_eq!(value(&next), "1");
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_is_cancelled_leaves_the_next_his_try() {
    let stage = Stage::new();
    {
        let endless = stage.ask().run(async || {
            stage.computed.fetch_add(1, Ordering::Relaxed);
            pending::<Result<String, &'static str>>().await
        });
        let mut endless = pin!(endless);
        let mut next = pin!(stage.get(stage.ask().wait(5 * SECOND)));
        tokio::select! {
            _ = &mut endless => unreachable!("it has no end"),
            _ = &mut next => unreachable!("it waits"),
            () = sleep(100 * MS) => {}
        }
        assert_eq!(stage.computed(), 1);
    }
    assert_eq!(value(&stage.get(stage.ask()).await), "2");
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn no_value_is_not_kept() {
    let stage = Stage::new();
    let tries = Cell::new(0);
    let get = || async {
        let found = stage.ask().run_optional(async || {
            tries.set(tries.get() + 1);
            sleep(10 * MS).await;
            Ok::<_, &str>(if tries.get() < 2 { None } else { Some("there".to_owned()) })
        });
        found.await.unwrap()
    };
    let (one, two) = tokio::join!(get(), get());
    let (none, some) = if one.value().is_none() { (one, two) } else { (two, one) };
    assert!(matches!(none.origin(), Origin::Computed(Stored::Nothing)), "{none:?}");
    assert_eq!(some.into_value().as_deref(), Some("there"));
    let cached = get().await;
    assert!(matches!(cached.origin(), Origin::Cached), "{cached:?}");
    assert_eq!(cached.into_value().as_deref(), Some("there"));
    assert_eq!(tries.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_is_told_who_was_in_the_way() {
    let stage = Stage::new();
    let begun = Instant::now();
    let endless = stage.ask().locked(|lock| lock.renewal(Renewal::every(100 * MS)));
    let endless = endless.run(async || pending::<Result<String, &'static str>>().await);
    let gave_up = tokio::select! {
        _ = endless => unreachable!("it has no end"),
        gave_up = async {
            sleep(10 * MS).await;
            stage.get(stage.ask().wait(3 * SECOND)).await
        } => gave_up.unwrap_err(),
    };
    assert!(begun.elapsed() < 4 * SECOND);
    let ComputeError::Lock(Error::TimedOut { patience, last, .. }) = gave_up else {
        panic!("{gave_up}");
    };
    assert_eq!(patience, 3 * SECOND);
    assert!(matches!(*last, Error::Contended(_)), "{last}");
    stage.assert_clean().await;
}

/// The lock of the first ends under its computation; the second's value is the newer one.
#[tokio::test(start_paused = true)]
async fn what_is_computed_too_late_is_had_but_not_stored() {
    let stage = Stage::new();
    let other = stage.nodes.redlock();
    let slow = stage.ask().run(async || stage.compute(3 * SECOND).await);
    let (slow, quick) = tokio::join!(slow, async {
        sleep(10 * MS).await;
        let fresh = other.get_or_compute(&stage.cache, "k", 60 * SECOND).wait(5 * SECOND);
        stage.get(fresh).await
    });
    let slow = slow.unwrap();
    assert!(matches!(slow.origin(), Origin::Computed(Stored::TooLate)), "{slow:?}");
    assert_eq!((slow.value().as_str(), value(&quick)), ("1", "2"));
    assert_eq!(stage.cached().await.as_deref(), Some("2"));
}

/// The write itself outlasts the lock.
#[tokio::test(start_paused = true)]
async fn a_write_that_outlasts_the_lock_is_given_up() {
    let stage = Stage::new();
    stage.cache.fault_writes(CacheFault::Hang);
    let asked = stage.ask().cache_timeout(60 * SECOND);
    let found = stage.get(asked).await.unwrap();
    assert!(matches!(found.origin(), Origin::Computed(Stored::TooLate)), "{found:?}");
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_is_longer_than_the_ttl_is_renewed() {
    let stage = Stage::new();
    let asked = stage.ask().locked(|lock| lock.renewal(Renewal::every(200 * MS)));
    let waiting = stage.ask().wait(10 * SECOND);
    let (long, other) = tokio::join!(asked.run(async || stage.compute(5 * SECOND).await), async {
        sleep(10 * MS).await;
        stage.get(waiting).await
    });
    assert_eq!((value(&long), value(&other)), ("1", "1"));
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_cannot_be_written_costs_nobody_his_value() {
    let stage = Stage::new();
    for fault in [CacheFault::Fail, CacheFault::Hang] {
        stage.cache.fault_writes(fault);
        let found = stage.get(stage.ask().cache_timeout(50 * MS)).await.unwrap();
        assert!(matches!(found.origin(), Origin::Computed(Stored::Failed(_))), "{found:?}");
    }
    assert_eq!(stage.computed(), 2);
    stage.assert_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_cannot_be_read_is_an_error_or_computed_around() {
    let stage = Stage::new();
    for fault in [CacheFault::Fail, CacheFault::Hang] {
        stage.cache.fault_reads(fault);
        let ask = || stage.ask().cache_timeout(50 * MS);
        let failed = stage.get(ask()).await.unwrap_err();
        assert!(matches!(failed, ComputeError::Cache(_)), "{failed}");
        let before = (stage.computed(), stage.cache.writes());
        let begun = Instant::now();
        let around = || stage.get(ask().on_cache_outage(Outage::Compute));
        let (one, two) = tokio::join!(around(), around());
        for found in [one.unwrap(), two.unwrap()] {
            assert!(matches!(found.origin(), Origin::Unlocked(Stored::Failed(_))), "{found:?}");
        }
        assert_eq!((stage.computed(), stage.cache.writes()), (before.0 + 2, before.1));
        assert!(begun.elapsed() < 200 * MS, "side by side: {:?}", begun.elapsed());
    }
    assert_eq!(stage.nodes.memory(0).calls().acquire, 0);
}

/// It fails between the two reads.
#[tokio::test(start_paused = true)]
async fn a_cache_that_fails_under_the_lock_leaves_no_lock() {
    for outage in [Outage::Fail, Outage::Compute] {
        let stage = Stage::new();
        for node in &stage.nodes.0 {
            node.rule(|_, _| Fault::DelayRequest(10 * MS));
        }
        let (got, ()) = tokio::join!(stage.get(stage.ask().on_cache_outage(outage)), async {
            sleep(3 * MS).await;
            stage.cache.fault_reads(CacheFault::Fail);
        });
        assert_eq!(stage.cache.reads(), 2);
        match (outage, got) {
            (Outage::Fail, Err(ComputeError::Cache(_))) => assert_eq!(stage.computed(), 0),
            (Outage::Compute, Ok(found)) => {
                assert!(matches!(found.origin(), Origin::Computed(Stored::Failed(_))));
            }
            (_, other) => panic!("{other:?}"),
        }
        stage.assert_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_it_is_an_error_or_computed_without_the_lock() {
    let stage = Stage::new();
    stage.nodes.memory(0).crash();
    stage.nodes.memory(1).hang();
    let failed = stage.get(stage.ask().wait(300 * MS)).await.unwrap_err();
    let ComputeError::Lock(Error::TimedOut { last, .. }) = failed else { panic!("{failed}") };
    assert!(matches!(*last, Error::Unavailable(_)), "{last}");
    assert_eq!(stage.computed(), 0);

    let begun = Instant::now();
    let ask = || stage.ask().on_lock_outage(Outage::Compute).wait(60 * SECOND);
    let found = stage.get(ask()).await.unwrap();
    assert!(matches!(found.origin(), Origin::Unlocked(Stored::Yes)), "{found:?}");
    assert!(begun.elapsed() < SECOND, "as soon as one attempt has failed: {:?}", begun.elapsed());
    let found = stage.get(ask()).await.unwrap();
    assert!(matches!(found.origin(), Origin::Cached), "{found:?}");
}

/// Nodes that grant when it is too late are no better than nodes that do not answer.
#[tokio::test(start_paused = true)]
async fn a_lock_that_comes_too_late_is_an_outage_too() {
    let stage = Stage::new();
    for node in 0..3 {
        stage.nodes.script(node, Operation::Acquire, Fault::DelayReply(10 * MS));
    }
    let ask = stage.ask().on_lock_outage(Outage::Compute).wait(60 * SECOND);
    let mut found = pin!(stage.get(ask));
    while stage.nodes.memory(0).calls().acquire == 0 {
        assert!((&mut found).now_or_never().is_none());
        advance(MS).await;
    }
    // This process stands still while the votes are on their way.
    advance(2 * SECOND).await;
    let found = found.await.unwrap();
    assert!(matches!(found.origin(), Origin::Unlocked(Stored::Yes)), "{found:?}");
}

/// They are in each other's way on the node that is left, which is no reason to wait.
#[tokio::test(start_paused = true)]
async fn many_who_meet_without_a_quorum_compute_without_the_lock() {
    let stage = Stage::new();
    stage.nodes.memory(0).crash();
    stage.nodes.memory(1).hang();
    let redlocks: Vec<Redlock> = (0..20).map(|_| stage.nodes.redlock()).collect();
    let begun = Instant::now();
    let all = join_all(redlocks.iter().map(|redlock| {
        let asked = stage.ask_by(redlock).on_lock_outage(Outage::Compute);
        stage.get(asked.wait(60 * SECOND))
    }));
    assert!(all.await.iter().all(Result::is_ok));
    assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
}

/// Somebody else who computes is no outage.
#[tokio::test(start_paused = true)]
async fn a_held_lock_is_waited_for_whatever_is_to_be_done_in_an_outage() {
    let stage = Stage::new();
    let ask = || stage.ask().on_lock_outage(Outage::Compute).on_cache_outage(Outage::Compute);
    let all: Vec<Got> = join_all((0..20).map(|_| stage.get(ask()))).await;
    assert!(all.iter().all(|got| value(got) == "1"), "{all:?}");
    assert_eq!(stage.computed(), 1);

    stage.cache.forget("k");
    stage.nodes.occupy([0, 1, 2], RESOURCE, 60 * SECOND).await;
    let failed = stage.get(ask().wait(SECOND)).await.unwrap_err();
    assert!(matches!(failed, ComputeError::Lock(Error::TimedOut { .. })), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_told_before_anything_is_asked() {
    let stage = Stage::new();
    let ask = |fresh_for| stage.redlock.get_or_compute(&stage.cache, "k", fresh_for);
    for (asked, expected) in [
        (ask(Duration::ZERO), ConfigError::FreshnessTooShort { given: Duration::ZERO }),
        (
            ask(SECOND).locked(|lock| lock.ttl(Duration::ZERO)),
            ConfigError::TtlTooShort { given: Duration::ZERO },
        ),
    ] {
        let error = stage.get(asked).await.unwrap_err();
        let ComputeError::Lock(Error::Config(error)) = error else { panic!("{error}") };
        assert_eq!(error, expected);
    }
    let long = stage.get(ask(SECOND).stale_for(Duration::MAX)).await.unwrap_err();
    assert!(long.to_string().contains("above the longest"), "{long}");
    assert_eq!((stage.cache.reads(), stage.computed()), (0, 0));
}

/// Even the empty text is a key.
#[tokio::test(start_paused = true)]
async fn any_text_is_a_key() {
    let stage = Stage::new();
    for key in ["", "{tag}*?[x]", "\0\n"] {
        let found = stage.get(stage.redlock.get_or_compute(&stage.cache, key, SECOND)).await;
        assert!(found.unwrap().is_computed(), "{key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_read_is_computed_anew() {
    #[derive(Debug)]
    struct Number(u8);
    impl Cacheable for Number {
        type Error = &'static str;

        fn to_bytes(&self) -> Result<Vec<u8>, Self::Error> {
            if self.0 == 0 { Err("zero cannot be written") } else { Ok(vec![self.0]) }
        }

        fn from_bytes(bytes: Vec<u8>) -> Result<Self, Self::Error> {
            <[u8; 1]>::try_from(bytes).map(|[byte]| Self(byte)).map_err(|_| "not one byte")
        }
    }
    let stage = Stage::new();
    stage.put("written by another version", SECOND, Duration::ZERO).await;
    let get = |number| stage.ask().run(async move || Ok::<_, &str>(Number(number)));
    let unwritten = get(0).await.unwrap();
    let Origin::Computed(Stored::Failed(error)) = unwritten.origin() else {
        panic!("{unwritten:?}")
    };
    assert!(error.to_string().contains("zero cannot be written"), "{error}");
    assert!(get(7).await.unwrap().is_computed());
    assert_eq!(get(8).await.unwrap().into_value().0, 7);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_spawned() {
    let stage = Stage::new();
    let (redlock, cache) = (stage.redlock.clone(), stage.cache.clone());
    let text = String::from("borrowed");
    let task = async move {
        let found = redlock.get_or_compute(&cache, "k", SECOND).run(async || {
            sleep(MS).await;
            Ok::<_, &str>(text.clone())
        });
        found.await.unwrap().into_value()
    };
    assert_eq!(tokio::spawn(task).await.unwrap(), "borrowed");
}

/// A node that loses the votes for it does not make the others compute as well.
#[tokio::test(start_paused = true)]
async fn a_hung_minority_is_not_waited_for() {
    let stage = Stage::new();
    stage.nodes.script(0, Operation::Acquire, Fault::Hang);
    stage.nodes.memory(0).hang();
    let begun = Instant::now();
    assert_eq!(value(&stage.get(stage.ask()).await), "1");
    assert!(begun.elapsed() < 150 * MS, "{:?}", begun.elapsed());
}
