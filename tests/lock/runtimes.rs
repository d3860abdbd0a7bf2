//! What begins on one runtime and goes on or ends on another.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{Either, Shared},
};
use redlock_testkit::{MemoryNode, Operation};
use redlocks::{LockNode, Redlock, Renewal, Resource, Runtime, Token, TokioRuntime, Ttl};
use tokio::{task::yield_now, time::Instant};

use crate::{
    custom::Custom,
    support::{MS, SECOND},
};

/// Two runtimes, and a redlock whose clean-up runs on the first.
struct Two {
    first: tokio::runtime::Runtime,
    second: tokio::runtime::Runtime,
    nodes: [MemoryNode; 3],
    gate: Arc<Mutex<Option<Gate>>>,
    redlock: Redlock,
}

/// Requests of a kind wait here, before they reach their node, and without a timer.
type Gate = (Operation, Shared<oneshot::Receiver<()>>);

impl Two {
    fn new() -> Self {
        let (first, second) = (runtime(), runtime());
        let gate = Arc::<Mutex<Option<Gate>>>::default();
        let (nodes, redlock) = first.block_on(async {
            let nodes = ["a", "b", "c"].map(MemoryNode::named);
            let mut builder = Redlock::builder().ttl(SECOND).node_timeout(50 * MS);
            for (node, label) in nodes.iter().zip(["a", "b", "c"]) {
                let gate = Arc::clone(&gate);
                builder =
                    builder.node(Custom::new(label, node.clone(), move |asked, behind| match gate
                        .lock()
                        .unwrap()
                        .clone()
                    {
                        Some((stopped, gate)) if stopped == asked => gate.then(|_| behind).boxed(),
                        _ => behind,
                    }));
            }
            let redlock = builder.renewal(Renewal::off()).build().unwrap();
            redlock.lock("first").acquire().await.unwrap().release().await;
            redlock.settled().await;
            (nodes, redlock)
        });
        Self { first, second, nodes, gate, redlock }
    }

    /// Such requests wait from now on, until what is returned is dropped.
    fn stop(&self, operation: Operation) -> oneshot::Sender<()> {
        let (go_on, gone_on) = oneshot::channel();
        *self.gate.lock().unwrap() = Some((operation, gone_on.shared()));
        go_on
    }

    /// The second runtime ends, and what was under way there. Nodes go on when the clean-up on the
    /// first has taken over.
    fn end_second(self, under_way: Pin<Box<impl Future>>, go_on: oneshot::Sender<()>) {
        let Self { first, second, nodes, redlock, .. } = self;
        drop(second);
        drop(under_way);
        first.block_on(async {
            yield_now().await;
            drop(go_on);
            let begun = Instant::now();
            redlock.settled().await;
            assert!(begun.elapsed() < 900 * MS, "by then the ttl does it");
        });
        let ours = |node: &MemoryNode| node.keys().iter().any(|key| key.token != somebody_else());
        assert!(!nodes.iter().any(ours), "left behind");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

fn somebody_else() -> Token {
    Token::from_bytes(*b"somebody else").unwrap()
}

fn begin(runtime: &tokio::runtime::Runtime, call: &mut (impl Future + Unpin)) {
    runtime.block_on(async { assert!(futures::poll!(call).is_pending(), "over already") });
}

#[test]
fn a_release_whose_runtime_ends_is_finished_on_that_of_the_clean_up() {
    let two = Two::new();
    let guard = two.second.block_on(two.redlock.lock("r").acquire()).unwrap();
    let go_on = two.stop(Operation::Release);
    let mut release = Box::pin(guard.release());
    begin(&two.second, &mut release);
    two.end_second(release, go_on);
}

#[test]
fn a_refused_attempt_whose_runtime_ends_is_undone_on_that_of_the_clean_up() {
    let two = Two::new();
    two.first.block_on(async {
        let (resource, ttl) = (Resource::new("r").unwrap(), Ttl::new(60 * SECOND).unwrap());
        for node in &two.nodes[1..] {
            node.acquire(&resource, &somebody_else(), ttl).await.unwrap();
        }
    });
    let go_on = two.stop(Operation::Release);
    let lock = two.redlock.lock("r");
    let mut attempt = Box::pin(async move { lock.try_acquire().await });
    begin(&two.second, &mut attempt);
    assert_eq!(two.nodes[0].keys().len(), 1, "nothing is to be undone");
    two.end_second(attempt, go_on);
}

#[test]
fn who_joins_an_attempt_whose_runtime_ends_gets_the_lock() {
    let two = Two::new();
    let owner = two.redlock.lock("r").reentrant();
    let (mut begins, mut joins) = (Box::pin(owner.acquire()), Box::pin(owner.acquire()));
    let go_on = two.stop(Operation::Acquire);
    begin(&two.second, &mut begins);
    begin(&two.first, &mut joins);
    drop(two.second);
    drop(begins);
    begin(&two.first, &mut joins);
    drop(go_on);
    let guard = two.first.block_on(joins).unwrap();
    assert_eq!(guard.depth(), 1);
    two.first.block_on(guard.release()).unwrap();
}

#[test]
fn a_timer_that_was_begun_on_an_idle_runtime_wakes_who_goes_on_with_it_elsewhere() {
    let (first, second) = (runtime(), runtime());
    let clock = TokioRuntime::new();
    let mut timer = {
        let _inside = second.enter();
        clock.sleep_until(clock.now().after(SECOND))
    };
    begin(&second, &mut timer);
    let too_late = || tokio::time::sleep(2 * SECOND);
    let woken =
        first.block_on(async { futures::future::select(timer, Box::pin(too_late())).await });
    assert!(matches!(woken, Either::Left(_)), "nobody is woken");
}
