use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::{BoxStream, SelectAll, unfold},
};

use super::{calls::Timer, shared::Shared};
use crate::{
    FailureKind, LockNode, NodeError, Notice, Resource,
    proto::{Moment, NodeSet},
};

/// What one process hears of one resource from all nodes, for whoever of it asks for the resource.
///
/// Polled by those who wait, so it needs no task. A node that cannot be heard costs nothing but
/// time (requirement R53), and is tried again now and then.
pub(super) struct Ears {
    words: SelectAll<BoxStream<'static, (usize, Word)>>,
    /// The nodes that are heard.
    live: NodeSet,
    /// The nodes that have not said yet whether they can be.
    open: NodeSet,
}

/// What comes from one node.
pub(super) enum Word {
    Notice(Notice),
    /// From now on nothing is missed; something may have been before.
    Listening,
    /// It cannot be heard, for now.
    Deaf,
}

impl Ears {
    /// Begins to listen, when it is first polled.
    pub(super) fn open(shared: &Arc<Shared>, resource: &Resource) -> Self {
        let mut words = SelectAll::new();
        let mut open = NodeSet::EMPTY;
        for (place, node) in shared.nodes.iter().enumerate() {
            if node.notifications().is_none() {
                shared.warn_deaf(place, None);
                continue;
            }
            open.insert(place);
            words.push(words_of(shared, node, place, resource));
        }
        Self { words, live: NodeSet::EMPTY, open }
    }

    /// Waits until this many nodes are heard, or no more can be, or the time is over.
    pub(super) async fn settle(&mut self, shared: &Arc<Shared>, enough: usize, until: Moment) {
        let mut time = Timer::new(shared, until);
        while self.live.len() < enough && !self.open.is_empty() {
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
        while let Some(Some(word)) = self.words.next().now_or_never() {
            self.note(word);
        }
    }

    /// How many nodes are heard.
    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    fn note(&mut self, (node, word): (usize, Word)) -> (usize, Word) {
        self.open.remove(node);
        match word {
            Word::Listening => self.live.insert(node),
            Word::Deaf => self.live.remove(node),
            Word::Notice(_) => {}
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
    Open(BoxStream<'static, Notice>),
}

/// Everything that one node says: it subscribes, and again whenever the subscription has ended.
fn words_of(
    shared: &Arc<Shared>,
    node: &Arc<dyn LockNode>,
    place: usize,
    resource: &Resource,
) -> BoxStream<'static, (usize, Word)> {
    let (shared, node, resource) = (Arc::clone(shared), Arc::clone(node), resource.clone());
    let first = Line::Closed(Moment::ORIGIN, 0);
    unfold((first, shared, node, resource), move |(line, shared, node, resource)| async move {
        let (word, line) = match line {
            Line::Open(mut notices) => {
                match AssertUnwindSafe(notices.next()).catch_unwind().await.unwrap_or_default() {
                    Some(notice) => (Word::Notice(notice), Line::Open(notices)),
                    None => (Word::Deaf, Line::Closed(shared.again(0), 0)),
                }
            }
            Line::Closed(at, failures) => {
                if at > shared.now() {
                    shared.runtime.sleep_until(at).await;
                }
                match subscribe(&*node, &resource).await {
                    Ok(notices) => (Word::Listening, Line::Open(notices)),
                    Err(error) => {
                        let failures = failures.saturating_add(1);
                        let again = match error.kind() {
                            // It takes somebody to change that.
                            FailureKind::Rejected | FailureKind::Unsupported => {
                                shared.warn_deaf(place, Some(error));
                                shared.again(LONG_AGO)
                            }
                            _ => shared.again(failures),
                        };
                        (Word::Deaf, Line::Closed(again, failures))
                    }
                }
            }
        };
        Some(((place, word), (line, shared, node, resource)))
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
