use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::{BoxStream, FuturesUnordered, SelectAll, unfold},
};

use crate::{
    FailureKind, LockNode, NodeError, Notice, Random, Resource, ResourceSet, Runtime, Warning,
    observe::Onlookers,
    proto::{Moment, NodeSet},
    random::chance,
};

/// The nodes as they tell of releases, and what it takes to listen to them.
#[derive(Debug)]
pub(super) struct Hearing {
    nodes: Vec<Arc<dyn LockNode>>,
    runtime: Arc<dyn Runtime>,
    random: Arc<dyn Random>,
    onlookers: Onlookers,
    /// The nodes about which they were warned.
    warned: Mutex<NodeSet>,
}

/// What one process hears of one resource, or of each of a set, from all nodes, for whoever of it
/// asks for them.
///
/// Polled by those who wait, so it needs no task. A node that cannot be heard costs nothing but
/// time (requirement R53), and is tried again now and then.
pub(super) struct Ears {
    words: SelectAll<BoxStream<'static, (Source, Word)>>,
    /// The nodes that are heard, for each resource.
    live: Vec<NodeSet>,
    /// The nodes that have not said yet whether they can be.
    open: Vec<NodeSet>,
}

/// Where a word comes from.
#[derive(Clone, Copy)]
struct Source {
    node: usize,
    /// The place of the resource in its set.
    resource: usize,
}

/// What comes from one node.
pub(super) enum Word {
    Notice(Notice),
    /// From now on nothing is missed; something may have been before.
    Listening,
    /// It cannot be heard, for now.
    Deaf,
}

impl Hearing {
    pub(super) fn new(
        nodes: &[Arc<dyn LockNode>],
        runtime: &Arc<dyn Runtime>,
        random: &Arc<dyn Random>,
        onlookers: &Onlookers,
    ) -> Self {
        let (nodes, runtime, random) = (nodes.to_vec(), Arc::clone(runtime), Arc::clone(random));
        Self { nodes, runtime, random, onlookers: onlookers.clone(), warned: Mutex::default() }
    }

    pub(super) fn now(&self) -> Moment {
        self.runtime.now()
    }

    /// Tells those who wait for these resources that they may be free. It is a hint: a node that
    /// fails or hangs costs somebody a little time.
    pub(super) async fn tell_all(self: Arc<Self>, resources: ResourceSet) {
        let nodes = self.nodes.iter().filter_map(|node| node.notifications());
        let telling = nodes.flat_map(|node| {
            let told = resources.iter().map(move |resource| node.notify(resource));
            told.map(|told| AssertUnwindSafe(told).catch_unwind())
        });
        let telling = telling.collect::<FuturesUnordered<_>>().collect::<Vec<_>>();
        select(telling, self.runtime.sleep_until(self.now().after(TELLING))).await;
    }

    /// When to subscribe again after so many failures in a row.
    fn again(&self, failures: u32) -> Moment {
        let longest = SOONEST_AGAIN.saturating_mul(1 << failures.min(16)).min(LATEST_AGAIN);
        let random = f64::from(chance(&*self.random)) / f64::from(u32::MAX);
        self.now().after(longest.mul_f64(1.0 - random / 2.0))
    }

    /// This node does not tell of releases, which is said once.
    fn warn(&self, place: usize, label: &str, error: Option<NodeError>) {
        if !self.onlookers.are_there() {
            return;
        }
        let first = {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            let first = !warned.contains(place);
            warned.insert(place);
            first
        };
        if first {
            let warning = Warning::NoNotifications { label: Arc::from(label), error };
            self.onlookers.tell(|observer| observer.warned(&warning));
        }
    }
}

impl Ears {
    /// Begins to listen, when it is first polled.
    pub(super) fn open(hearing: &Arc<Hearing>, resources: &ResourceSet) -> Self {
        let mut words = SelectAll::new();
        let mut open = NodeSet::EMPTY;
        for (place, node) in hearing.nodes.iter().enumerate() {
            if node.notifications().is_none() {
                hearing.warn(place, node.label(), None);
                continue;
            }
            open.insert(place);
            for (which, resource) in resources.iter().enumerate() {
                let source = Source { node: place, resource: which };
                words.push(words_of(hearing, node, source, resource));
            }
        }
        let (live, open) = (vec![NodeSet::EMPTY; resources.len()], vec![open; resources.len()]);
        Self { words, live, open }
    }

    /// Waits until this many nodes are heard, or no more can be, or the time is over.
    pub(super) async fn settle(&mut self, hearing: &Hearing, enough: usize, until: Moment) {
        let mut time = hearing.runtime.sleep_until(until);
        while self.live() < enough && self.open.iter().any(|open| !open.is_empty()) {
            let next = self.words.next();
            let Either::Left((Some(word), _)) = select(next, &mut time).await else { return };
            self.note(word);
        }
    }

    /// Waits for the next thing that a node has to say; for ever, if none ever will.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> (usize, Word) {
        match self.words.next().await {
            Some(word) => self.note(word),
            None => std::future::pending().await,
        }
    }

    /// Forgets what has been said up to now: it was about the time before an attempt that begins
    /// now.
    pub(super) fn forget(&mut self) {
        // A node that never stops talking is not listened to for ever.
        for _ in 0..MOST_FORGOTTEN {
            let Some(Some(word)) = self.words.next().now_or_never() else { return };
            self.note(word);
        }
    }

    /// How many nodes are heard, of the resource that the fewest tell of.
    pub(super) fn live(&self) -> usize {
        self.live.iter().map(|live| live.len()).min().unwrap_or_default()
    }

    fn note(&mut self, (source, word): (Source, Word)) -> (usize, Word) {
        let Source { node, resource } = source;
        if let (Some(live), Some(open)) = (self.live.get_mut(resource), self.open.get_mut(resource))
        {
            open.remove(node);
            match word {
                Word::Listening => live.insert(node),
                Word::Deaf => live.remove(node),
                Word::Notice(_) => {}
            }
        }
        (node, word)
    }
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").field("live", &self.live).field("open", &self.open).finish()
    }
}

/// Where the listening to one node stands.
enum Line {
    /// To be subscribed at this moment, after so many failures in a row.
    Closed(Moment, u32),
    /// Subscribed since this moment, after so many failures in a row.
    Open(BoxStream<'static, Notice>, Moment, u32),
}

/// Everything that one node says of one resource: it subscribes, and again whenever the
/// subscription has ended.
fn words_of(
    hearing: &Arc<Hearing>,
    node: &Arc<dyn LockNode>,
    source: Source,
    resource: &Resource,
) -> BoxStream<'static, (Source, Word)> {
    let (hearing, node, resource) = (Arc::clone(hearing), Arc::clone(node), resource.clone());
    let first = Line::Closed(Moment::ORIGIN, 0);
    unfold((first, hearing, node, resource), move |(line, hearing, node, resource)| async move {
        let (word, line) = match line {
            Line::Open(mut notices, since, failures) => {
                match AssertUnwindSafe(notices.next()).catch_unwind().await.unwrap_or_default() {
                    Some(notice) => (Word::Notice(notice), Line::Open(notices, since, failures)),
                    None => {
                        // A node whose subscriptions end as soon as they are made has failed as well.
                        let stood = hearing.now().since(since) >= STANDS;
                        let failures = if stood { 0 } else { failures };
                        let again = hearing.again(failures);
                        (Word::Deaf, Line::Closed(again, failures.saturating_add(1)))
                    }
                }
            }
            Line::Closed(at, failures) => {
                if at > hearing.now() {
                    // The timer may be one of a runtime that has ended since, and panics then: who
                    // listened there has left it to somebody elsewhere.
                    let pause = AssertUnwindSafe(hearing.runtime.sleep_until(at));
                    let _ = pause.catch_unwind().await;
                }
                match subscribe(&*node, &resource).await {
                    Ok(notices) => (Word::Listening, Line::Open(notices, hearing.now(), failures)),
                    Err(error) => {
                        let failures = failures.saturating_add(1);
                        let again = match error.kind() {
                            // It takes somebody to change that.
                            FailureKind::Rejected | FailureKind::Unsupported => {
                                hearing.warn(source.node, node.label(), Some(error));
                                hearing.again(LONG_AGO)
                            }
                            _ => hearing.again(failures),
                        };
                        (Word::Deaf, Line::Closed(again, failures))
                    }
                }
            }
        };
        Some(((source, word), (line, hearing, node, resource)))
    })
    .boxed()
}

/// A node that panics has failed like any other.
async fn subscribe(
    node: &dyn LockNode,
    resource: &Resource,
) -> Result<BoxStream<'static, Notice>, NodeError> {
    let Some(notifications) = node.notifications() else {
        return Err(NodeError::new(node.label(), FailureKind::Unsupported));
    };
    let subscribed = AssertUnwindSafe(notifications.subscribe(resource)).catch_unwind().await;
    subscribed.unwrap_or_else(|_| {
        Err(NodeError::new(node.label(), FailureKind::Other).with_source("the node panicked"))
    })
}

/// As many failures as make the pause the longest.
const LONG_AGO: u32 = 31;

/// A subscription that has stood for so long was none that fails.
const STANDS: Duration = Duration::from_secs(1);

/// More than wait in the queues of all nodes.
const MOST_FORGOTTEN: usize = 1024;

const SOONEST_AGAIN: Duration = Duration::from_millis(20);
const LATEST_AGAIN: Duration = Duration::from_secs(30);

/// How long a node may take to tell of a release.
const TELLING: Duration = Duration::from_millis(100);
