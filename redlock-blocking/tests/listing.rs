//! Listings: page by page, with the errors of nodes among them, and not inside an async runtime.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use redlock_blocking::{ListingError, Redlock};
use redlock_core::{
    Delivery, Error, FailureKind, Listed, LockNode, NodeError, Runtime, TokioRuntime,
};
use redlock_testkit::{Fault, FaultyNode, MemoryNode, Operation, SimRuntime};

const LONG: Duration = Duration::from_secs(60);
const PER_NODE: usize = 40;
const DOWN: Fault = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };

struct Stage {
    nodes: Vec<Arc<FaultyNode<MemoryNode>>>,
    redlock: Redlock,
    /// Stands still unless a test moves it: what is delayed by it comes when the test says so.
    delays: SimRuntime,
}

/// Three nodes on which there are as many locks as make several pages.
fn stage() -> Stage {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let delays = SimRuntime::new(1);
    let node = |label| {
        let node = MemoryNode::new(label, Arc::clone(&runtime));
        Arc::new(FaultyNode::new(node, delays.shared()))
    };
    let nodes: Vec<_> = ["a", "b", "c"].map(node).into();
    let shared = nodes.iter().map(|node| Arc::clone(node) as Arc<dyn LockNode>);
    let builder = redlock_core::Redlock::builder().ttl(LONG).node_timeout(LONG / 4);
    let redlock =
        Redlock::new(shared.fold(builder, |builder, node| builder.shared_node(node))).unwrap();
    for number in 0..PER_NODE {
        let _ = redlock.lock(format!("order:{number}")).try_acquire().unwrap().into_lease();
    }
    assert!(redlock.settled(LONG).unwrap());
    Stage { nodes, redlock, delays }
}

impl Stage {
    fn pages(&self) -> u64 {
        self.nodes.iter().map(|node| node.inner().calls().list).sum()
    }

    fn keys(&self) -> usize {
        self.nodes.iter().map(|node| node.inner().keys().len()).sum()
    }
}

fn on_tokio<T>(body: impl FnOnce() -> T) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { body() })
}

fn on(label: &str, listed: &[Listed]) -> usize {
    let resources = listed.iter().filter(|one| one.label() == label).map(Listed::resource);
    resources.collect::<BTreeSet<_>>().len()
}

/// What was told of how many resources on each node, and how many errors, all of which must be
/// those of `b`.
struct Told {
    a: usize,
    b: usize,
    c: usize,
    errors_of_b: usize,
}

fn told(listing: impl Iterator<Item = Result<Listed, ListingError>>) -> Told {
    let (listed, errors): (Vec<_>, Vec<_>) = listing.partition(Result::is_ok);
    let listed: Vec<_> = listed.into_iter().map(Result::unwrap).collect();
    for error in &errors {
        let Err(ListingError::Node(error)) = error else { panic!("{error:?}") };
        assert_eq!(NodeError::label(error), "b");
    }
    let [a, b, c] = ["a", "b", "c"].map(|label| on(label, &listed));
    Told { a, b, c, errors_of_b: errors.len() }
}

#[test]
fn no_more_is_asked_for_than_is_taken() {
    let stage = stage();
    let mut listing = stage.redlock.list("order:").unwrap();
    assert_eq!(stage.pages(), 0);
    for _ in 0..6 {
        listing.next().unwrap().unwrap();
    }
    // The first of each node, and the second of one that has been read to its end.
    assert!(stage.pages() <= 6, "{} pages", stage.pages());
    let rest = listing.by_ref().count();
    assert_eq!(rest, 3 * PER_NODE - 6);
    assert!(listing.next().is_none() && listing.next().is_none());
}

#[test]
fn it_goes_on_after_the_error_of_a_node() {
    let stage = stage();
    stage.nodes[1].script(Operation::List, [DOWN]);
    let told = told(stage.redlock.list("order:").unwrap());
    assert_eq!((told.a, told.b, told.c, told.errors_of_b), (PER_NODE, 0, PER_NODE, 1));
}

/// How often a node is told of that does not release depends on who is found to have a lock first,
/// there or elsewhere; so one of the two waits here until something has come of the other.
#[test]
fn a_reset_tells_of_each_lock_that_a_node_lists_and_does_not_release() {
    let [others, itself] = [&[0, 2][..], &[1]];
    for (later, errors) in [(others, PER_NODE), (itself, PER_NODE + 1)] {
        let stage = stage();
        let kept = |asked| if asked == Operation::Release { DOWN } else { Fault::None };
        stage.nodes[1].rule(move |asked, _| kept(asked));
        for node in later {
            stage.nodes[*node].script(Operation::List, [Fault::DelayRequest(LONG)]);
        }
        let mut reset = stage.redlock.reset_all("order:").unwrap();
        let first = reset.next().unwrap();
        stage.delays.advance(LONG);
        let told = told([first].into_iter().chain(reset));
        assert_eq!((told.a, told.b, told.c), (PER_NODE, 0, PER_NODE), "{later:?}");
        // One for each that it lists itself; and, if it has not been told of by then, one for all
        // that others list: from the first on it is no longer asked for those.
        assert_eq!(told.errors_of_b, errors, "{later:?}");
        assert_eq!(stage.keys(), PER_NODE);
    }
}

#[test]
fn a_reset_that_is_not_read_to_its_end_ends_where_it_is() {
    let stage = stage();
    let mut reset = stage.redlock.reset_all("order:").unwrap();
    assert_eq!(stage.keys(), 3 * PER_NODE);
    reset.next().unwrap().unwrap();
    drop(reset);
    assert!((1..3 * PER_NODE).contains(&stage.keys()), "{} keys", stage.keys());
    assert_eq!(stage.redlock.reset_all("order:").unwrap().filter(Result::is_err).count(), 0);
    assert_eq!(stage.keys(), 0);
}

#[test]
fn it_ends_where_it_would_hold_up_an_async_runtime() {
    let stage = stage();
    let Stage { redlock, .. } = &stage;
    let mut listing = redlock.list("order:").unwrap();
    listing.next().unwrap().unwrap();
    let pages = stage.pages();
    on_tokio(|| {
        let refused = |error: Error| assert!(matches!(error, Error::InsideRuntime), "{error}");
        refused(redlock.inspect("r").unwrap_err());
        refused(redlock.is_locked("r").unwrap_err());
        refused(redlock.reset("r").unwrap_err());
        refused(redlock.list("").unwrap_err());
        refused(redlock.reset_all("order:").unwrap_err());
        // Even if nobody looks at errors.
        let rest: Vec<_> = listing.by_ref().collect();
        let [Err(error)] = &rest[..] else { panic!("{rest:?}") };
        assert!(matches!(error, ListingError::InsideRuntime));
        assert_eq!(error.to_string(), Error::InsideRuntime.to_string());
    });
    assert!(listing.next().is_none());
    assert_eq!((stage.pages(), stage.keys()), (pages, 3 * PER_NODE), "no node was asked");
}

#[test]
fn it_outlives_its_redlock() {
    let Stage { redlock, .. } = stage();
    let listing = redlock.list("order:").unwrap();
    drop(redlock);
    let told = std::thread::spawn(|| listing.filter(Result::is_ok).count());
    assert_eq!(told.join().unwrap(), 3 * PER_NODE);
}
