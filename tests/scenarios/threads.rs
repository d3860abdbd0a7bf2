//! What only blocking code can do: block, panic and end on threads of its own.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use redlock_testkit::{Fault, FaultyNode, MemoryNode, Operation};
use redlocks::{
    ConfigError, Error, LockNode, LossReason, Renewal, Retry, Runtime, TokioRuntime,
    blocking::{Redlock, StartError},
};

use crate::client::{LONG, MS, Nodes, SECOND};

fn blocking(nodes: &Nodes) -> Redlock {
    Redlock::new(nodes.builder().ttl(LONG)).unwrap()
}

fn on_tokio<T>(body: impl FnOnce() -> T) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { body() })
}

#[test]
fn a_drop_has_released_when_it_returns() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    for _ in 0..100 {
        drop(redlock.lock("r").try_acquire().unwrap());
        assert_eq!(nodes.count_keys("r"), 0);
    }
}

#[test]
fn a_drop_on_another_thread_and_after_the_redlock_releases() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let guard = redlock.lock("r").acquire().unwrap();
    drop(redlock);
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(nodes.count_keys("r"), 0);
}

#[test]
fn a_panic_releases() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let lock = redlock.lock("r");
    let run = AssertUnwindSafe(|| lock.run(|_| panic!("in the body")));
    catch_unwind(run).unwrap_err();
    assert_eq!(nodes.count_keys("r"), 0);
    let owner = lock.reentrant();
    let nested = AssertUnwindSafe(|| {
        let (_outer, _inner) = (owner.acquire().unwrap(), owner.acquire().unwrap());
        panic!("between the two")
    });
    catch_unwind(nested).unwrap_err();
    assert_eq!(nodes.count_keys("r"), 0);
}

#[test]
fn inside_an_async_runtime_every_call_that_waits_is_refused_and_nothing_is_left_behind() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let lock = redlock.lock("r");
    let refused = |error: Error| assert!(matches!(error, Error::InsideRuntime), "{error}");
    let mut guards: Vec<_> =
        (0..4).map(|number| redlock.lock(format!("{number}")).acquire().unwrap()).collect();
    let calls = nodes.count_calls();
    on_tokio(|| {
        refused(lock.try_acquire().unwrap_err());
        refused(lock.acquire().unwrap_err());
        refused(lock.acquire_within(SECOND).unwrap_err());
        refused(lock.run(|_| panic!("without the lock")).unwrap_err() as Error);
        refused(lock.reentrant().acquire().unwrap_err());
        refused(redlock.settled(SECOND).unwrap_err());
        let lease = guards[0].lease();
        refused(redlock.adopt(&lease).unwrap_err());
        refused(redlock.extend(&lease, SECOND).unwrap_err());
        refused(redlock.release(&lease).unwrap_err());
        refused(guards[0].extend(SECOND).unwrap_err());
        refused(guards[0].lost(SECOND).unwrap_err());
        refused(guards[0].loss().lost(SECOND).unwrap_err());
        assert_eq!(nodes.count_calls(), calls, "no node was asked");
        // What does not wait works.
        guards[0].check().unwrap();
        // These give up what they have, in the background.
        refused(guards.pop().unwrap().release().unwrap_err());
        drop(guards.pop());
    });
    assert!(redlock.settled(LONG).unwrap());
    assert_eq!([0, 1, 2, 3].map(|number| nodes.count_keys(&number.to_string())), [3, 3, 0, 0]);
    let advice = "use the async API there, or a thread that is not part of the runtime";
    assert!(Error::InsideRuntime.to_string().ends_with(advice));
}

/// The thread that has yet to release is not waited for there, and goes on all the same.
#[test]
fn a_guard_that_is_the_last_handle_releases_also_when_it_is_dropped_inside_an_async_runtime() {
    for number in 0..100 {
        let nodes = Nodes::new();
        let guard = blocking(&nodes).lock("r").acquire().unwrap();
        on_tokio(|| if number % 2 == 0 { drop(guard) } else { drop(guard.release()) });
        let deadline = Instant::now() + LONG / 2;
        while nodes.count_keys("r") > 0 {
            assert!(Instant::now() < deadline, "the key is still there");
            thread::sleep(MS);
        }
    }
}

#[test]
fn a_redlock_may_be_made_and_dropped_inside_an_async_runtime() {
    let nodes = Nodes::new();
    let (ours, theirs) = on_tokio(|| {
        let unusable = Redlock::new(nodes.builder().ttl(Duration::ZERO)).unwrap_err();
        let config = StartError::Config(ConfigError::TtlTooShort { given: Duration::ZERO });
        assert_eq!(unusable.to_string(), config.to_string());
        drop(blocking(&nodes));
        (blocking(&nodes), blocking(&nodes).lock("theirs"))
    });
    // The runtime that it was made in has gone.
    let guard = ours.lock("r").renewal(Renewal::every(50 * MS)).acquire().unwrap();
    thread::sleep(200 * MS);
    assert!(guard.is_valid() && nodes.node(0).calls().extend > 0);
    assert!(theirs.acquire().unwrap().release().unwrap().is_released());
}

/// What a thread does when it ends, of which nobody could catch a panic.
struct AtTheEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

thread_local! {
    static ONE: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    static OTHER: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// One thread-local value is there before those of tokio are, and one after: whatever the order of
/// their destructors, one of them finds tokio's gone.
#[test]
fn a_thread_that_ends_is_refused_when_it_can_no_longer_wait_and_its_guards_release() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let (tell, told) = mpsc::channel();
    let at_the_end = |name: &'static str| {
        let (redlock, tell) = (redlock.clone(), tell.clone());
        let guard = redlock.lock(name).acquire().unwrap();
        let given_up = redlock.lock([name, "given up"].concat()).acquire().unwrap();
        move || {
            let acquired = redlock.lock("r").acquire().map(drop);
            let listed = redlock.list("").map(drop);
            let released = given_up.release().map(drop);
            drop(guard);
            tell.send([acquired, listed, released]).unwrap();
        }
    };
    let (one, other) = (at_the_end("one"), at_the_end("other"));
    let lock = redlock.lock("r");
    let ending = thread::spawn(move || {
        ONE.set(Some(AtTheEnd(Some(Box::new(one)))));
        drop(lock.acquire().unwrap());
        OTHER.set(Some(AtTheEnd(Some(Box::new(other)))));
    });
    ending.join().unwrap();
    let both: Vec<_> = told.try_iter().collect();
    let refused =
        both.iter().filter(|told| told.iter().all(|told| matches!(told, Err(Error::ThreadEnding))));
    assert_eq!(refused.count(), 1, "{both:?}");
    assert!(both.iter().any(|told| told.iter().all(Result::is_ok)), "{both:?}");
    assert!(redlock.settled(LONG).unwrap());
    let names = ["r", "one", "onegiven up", "other", "othergiven up"];
    assert_eq!(names.map(|name| nodes.count_keys(name)), [0; 5]);
}

/// Bad manners, but no deadlock.
#[test]
fn another_executor_is_held_up_and_goes_on() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let lock = redlock.lock("r").renewal(Renewal::every(10 * MS));
    futures::executor::block_on(async {
        let guard = lock.acquire_within(LONG).unwrap();
        assert_eq!(guard.lost(50 * MS).unwrap(), None);
        assert!(guard.release().unwrap().is_released());
    });
    smol::block_on(async { drop(lock.acquire().unwrap()) });
    assert_eq!(nodes.count_keys("r"), 0);
}

#[test]
fn one_thread_waits_for_the_loss_while_another_works() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let lock = redlock.lock("r").renewal(Renewal::every(20 * MS));
    let told = lock.run(|guard| {
        let signal = guard.loss();
        let watch = thread::spawn(move || signal.lost(LONG).unwrap());
        nodes.lose_the_majority();
        // Works on, and looks now and then.
        while guard.check().is_ok() {
            thread::sleep(MS);
        }
        assert_eq!(watch.join().unwrap(), Some(LossReason::QuorumLost));
    });
    assert!(matches!(told, Err(Error::Lost { reason: LossReason::QuorumLost, .. })));
}

#[test]
fn threads_exclude_each_other() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let (inside, done) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let retry = Retry::fixed(5 * MS).jitter(1.0).unwrap().unlimited();
                let lock = redlock.lock("r").retry(retry);
                for _ in 0..10 {
                    let run = lock.run(|guard| {
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        guard.check().unwrap();
                        assert_eq!(inside.fetch_sub(1, SeqCst), 1);
                        done.fetch_add(1, SeqCst);
                    });
                    run.unwrap();
                }
            });
        }
    });
    assert_eq!((done.into_inner(), nodes.count_keys("r")), (80, 0));
}

#[test]
fn threads_of_one_owner_share_one_hold() {
    let nodes = Nodes::new();
    let redlock = blocking(&nodes);
    let owner = redlock.lock("r").reentrant();
    let all_have_it = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let guard = owner.acquire().unwrap();
                all_have_it.wait();
                assert_eq!(guard.lease().ttl().get(), LONG);
                drop(guard);
            });
        }
    });
    assert!(nodes.all().all(|node| node.calls().acquire == 1));
    assert_eq!(nodes.count_keys("r"), 0);
}

/// Three nodes, of which the last is slow to answer a release and the others are not.
fn one_slow_to_release(delay: Duration) -> (Nodes, Redlock) {
    let nodes = Nodes::new();
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let node = |node: &MemoryNode| Arc::new(FaultyNode::new(node.clone(), Arc::clone(&runtime)));
    let faulty: Vec<_> = nodes.all().map(node).collect();
    faulty[2].rule(move |operation, _| match operation {
        Operation::Release => Fault::DelayRequest(delay),
        _ => Fault::None,
    });
    let shared = faulty.into_iter().map(|node| node as Arc<dyn LockNode>);
    let builder = shared
        .fold(redlocks::Redlock::builder().ttl(LONG), |builder, node| builder.shared_node(node));
    (nodes, Redlock::new(builder).unwrap())
}

#[test]
fn the_last_handle_waits_for_slower_nodes() {
    let (nodes, redlock) = one_slow_to_release(80 * MS);
    let guard = redlock.lock("r").acquire().unwrap();
    drop(redlock);
    drop(guard);
    assert_eq!(nodes.count_keys("r"), 0);
}

#[test]
fn neither_a_drop_nor_the_end_waits_for_ever() {
    let (nodes, redlock) = one_slow_to_release(LONG);
    nodes.node(0).hang();
    let begun = Instant::now();
    let guard = redlock.lock("r").acquire().unwrap();
    nodes.node(1).hang();
    drop(guard);
    assert!(!redlock.settled(MS).unwrap());
    drop(redlock);
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
}

#[test]
fn inside_an_async_runtime_no_drop_waits() {
    let nodes = Nodes::new();
    let builder = nodes.builder().ttl(LONG).node_timeout(10 * SECOND);
    let redlock = Redlock::new(builder).unwrap();
    let guard = redlock.lock("r").acquire().unwrap();
    let nested = redlock.lock("nested").reentrant().acquire().unwrap();
    drop(redlock);
    nodes.all().for_each(MemoryNode::hang);
    // In a place where it may, each of them would wait for a second.
    let took = on_tokio(|| {
        let begun = Instant::now();
        drop(guard);
        drop(nested);
        begun.elapsed()
    });
    assert!(took < SECOND, "{took:?}");
    nodes.all().for_each(MemoryNode::resume);
}
