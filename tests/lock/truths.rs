//! What those who look on are told is what happened: no lock that was never had, no call that never
//! ended, every resource of a set, and every node that failed.

use std::{cell::Cell, collections::BTreeSet, sync::Arc};

use futures::{StreamExt, future::join};
use redlock_testkit::{Fault, MemoryCache, Operation};
use redlocks::{
    Delivery, FailureKind, Found, Observer, Origin, Outage, Redlock, RedlockBuilder, Renewal,
    Retry, Stored,
};
use tokio::time::{Instant, sleep};

use crate::{
    observing::Journal,
    support::{MS, Nodes, SECOND},
};

const DOWN: Fault = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };

fn observed(builder: RedlockBuilder) -> (Redlock, Arc<Journal>) {
    let journal = Arc::<Journal>::default();
    let observer: Arc<dyn Observer> = Arc::<Journal>::clone(&journal);
    let builder = builder.ttl(SECOND).node_timeout(50 * MS).renewal(Renewal::off());
    (builder.observer(observer).build().unwrap(), journal)
}

#[tokio::test(start_paused = true)]
async fn a_set_is_told_with_all_of_its_resources() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(nodes.builder());
    nodes.script(2, Operation::Acquire, DOWN);
    redlock.lock_all(["first", "second", "third"]).acquire().await.unwrap().release().await;
    redlock.settled().await;
    let events = journal.shown();
    assert_eq!(events.len(), 5, "{events:?}");
    for event in events {
        for name in ["\"first\"", "\"second\"", "\"third\""] {
            assert!(event.contains(name), "{event}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_one_server_with_two_names_was_never_acquired() {
    let (redlock, journal) = observed(crate::bad_input::with_alias());
    redlock.lock("r").acquire().await.unwrap_err();
    redlock.settled().await;
    assert_eq!(journal.read(), ["attempted 1 granted", "gave up unusable after 1 in 0ns"]);
    assert_eq!(journal.gauges(), (0, 0));

    let nodes = Nodes::new(1);
    let lease = nodes.redlock().lock("r").acquire().await.unwrap().into_lease();
    redlock.adopt(&lease).await.unwrap_err();
    assert_eq!(journal.read(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_number_is_not_larger_was_never_acquired() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(nodes.builder().fencing(true));
    redlock.lock("r").acquire().await.unwrap().release().await;
    redlock.settled().await;
    journal.read();
    for node in 0..3 {
        nodes.memory(node).forget_counter(&"r".try_into().unwrap());
        nodes.memory(node).step_clock_back(40 * 24 * 3600 * SECOND);
    }
    redlock.lock("r").retry(Retry::none()).acquire().await.unwrap_err();
    redlock.settled().await;
    let told = journal.read();
    assert!(told.iter().all(|line| !line.starts_with("acquired") && !line.starts_with("released")));
    assert_eq!(told.last().unwrap(), "gave up fence_regression after 1 in 0ns", "{told:?}");
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_cannot_be_looked_at_or_reset_are_told() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(nodes.builder());
    let holder = nodes.redlock();
    let guard = holder.lock("order:1").acquire().await.unwrap();
    holder.settled().await;
    let failed = ["failed b Unreachable", "failed c TimedOut"].map(str::to_owned);
    let told = || journal.read().into_iter().collect::<BTreeSet<_>>();

    for operation in [Operation::Inspect, Operation::List, Operation::Reset] {
        nodes.script(1, operation, DOWN);
        nodes.script(2, operation, Fault::Hang);
        match operation {
            Operation::Inspect => drop(redlock.inspect("order:1").await.unwrap()),
            Operation::List => drop(redlock.list("").unwrap().collect::<Vec<_>>().await),
            _ => drop(redlock.reset("order:2").await.unwrap()),
        }
        assert_eq!(told(), BTreeSet::from(failed.clone()), "{operation:?}");
    }
    nodes.script(1, Operation::List, DOWN);
    nodes.script(2, Operation::Release, Fault::Hang);
    drop(redlock.reset_all("order:").unwrap().collect::<Vec<_>>().await);
    assert_eq!(told(), BTreeSet::from(failed));
    // One that is not needed has not failed.
    nodes.script(2, Operation::Inspect, Fault::Hang);
    assert!(!redlock.is_locked("order:1").await.unwrap());
    assert_eq!(told(), BTreeSet::new());
    drop(guard);
}

/// The resource that the key `k` stands for.
const RESOURCE: &str = "redlocks:compute:k";

async fn compute(redlock: &Redlock, cache: &MemoryCache) -> Found<String> {
    let asked = redlock.get_or_compute(cache, "k", 60 * SECOND).wait(20 * SECOND);
    let asked = asked.on_lock_outage(Outage::Compute);
    asked.run(async || Ok::<_, std::io::Error>("value".to_owned())).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_watches_for_an_outage_waits_once_and_gives_up_never() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(nodes.builder());
    let cache = MemoryCache::on_tokio();
    nodes.occupy(0..3, RESOURCE, 5 * SECOND).await;
    let found = compute(&redlock, &cache).await;
    assert!(matches!(found.origin(), Origin::Computed(Stored::Yes)), "{found:?}");
    let told = journal.read();
    let count = |start: &str| told.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("waiting"), count("acquired"), count("gave up")), (1, 1, 0), "{told:?}");
    assert!(count("attempted") >= 10, "it looks whether there is an outage: {told:?}");
}

/// Whoever waits for a release, or behind somebody of this process, sees it as soon as whoever asks.
#[tokio::test(start_paused = true)]
async fn an_outage_is_found_out_by_those_who_wait() {
    for local in [false, true] {
        let nodes = Nodes::new(3);
        let (redlock, journal) = observed(nodes.builder());
        let cache = MemoryCache::on_tokio();
        let held = Cell::new(None);
        if local {
            let lock = redlock.lock(RESOURCE).ttl(60 * SECOND);
            held.set(Some(lock.acquire().await.unwrap()));
            redlock.settled().await;
        } else {
            nodes.occupy(0..3, RESOURCE, 60 * SECOND).await;
        }
        journal.read();
        let begun = Instant::now();
        let outage = async {
            sleep(2200 * MS).await;
            nodes.memory(0).hang();
            nodes.memory(1).hang();
        };
        let (found, ()) = join(compute(&redlock, &cache), outage).await;
        assert!(matches!(found.origin(), Origin::Unlocked(_)), "{found:?}");
        assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(journal.count("waiting"), 1);
        assert_eq!(journal.count("gave up"), 1);
    }
}
