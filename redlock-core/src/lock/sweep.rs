use std::sync::{Arc, Mutex, PoisonError};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{
    error::Error,
    inquiry::patience,
    listing::{Listed, Walk},
    redlock::Redlock,
    shared::Shared,
    uproot::uproot,
};
use crate::{ConfigError, Held, NodeError, proto::NodeSet};

impl Redlock {
    /// Resets every lock whose resource begins with `prefix`, and wakes those who wait for them:
    /// tells what was removed on which node, as it is done. It is done as the stream is polled, to
    /// its end.
    ///
    /// Nodes are looked through as by [`list`](Self::list), and whoever is found to have a lock on
    /// one of them is removed from all: also if he renews it meanwhile, as by
    /// [`reset`](Self::reset). So what is told to have been removed is gone, from a quorum at least
    /// if so many nodes have told no error. A lock that changes hands before its turn comes is left
    /// to whoever has it by then, and one that comes meanwhile may be left. A holder learns of it as
    /// he does of [`reset`](Self::reset).
    ///
    /// Memory is bounded, and the stream goes on after an error. A node that fails is told of once,
    /// and besides for each lock that it lists itself and does not give up. Until it answers again,
    /// it is asked no more for what others list; whose page fails lists no more.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the prefix is empty and there is no
    /// [key prefix](super::RedlockBuilder::key_prefix) either: every string that expires could be
    /// deleted, whosever it is. Whoever means that can reset what [`list`](Self::list) tells.
    /// [`Error::NoRuntime`]. What nodes could not do comes in the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the stream ends where it is: what has been told is gone, of the next few locks, up to
    /// sixteen, it is unknown which nodes have given them up, and the rest stays.
    pub fn reset_all(
        &self,
        prefix: impl Into<Arc<str>>,
    ) -> Result<BoxStream<'static, Result<Listed, NodeError>>, Error> {
        let (prefix, shared) = (prefix.into(), self.shared());
        if prefix.is_empty() && shared.prefix.is_none() {
            return Err(ConfigError::EmptyPrefix.into());
        }
        patience(shared)?;
        let sweep = Arc::new(Sweep { shared: Arc::clone(shared), failed: Mutex::default() });
        let found = |walk: Walk| {
            let place = walk.place();
            walk.into_stream().map(move |found| (place, found)).boxed()
        };
        let remove = move |(place, found): (usize, Result<Held, NodeError>)| {
            let sweep = Arc::clone(&sweep);
            async move { stream::iter(sweep.remove(place, found).await) }
        };
        let found = stream::select_all(self.walks(prefix)?.map(found));
        Ok(found.map(remove).buffer_unordered(AT_ONCE).flatten().boxed())
    }
}

/// What the walks through the nodes share.
struct Sweep {
    shared: Arc<Shared>,
    /// The nodes whose last answer was a failure.
    failed: Mutex<NodeSet>,
}

impl Sweep {
    /// Removes what was found on the node at this place, wherever it is.
    async fn remove(
        &self,
        place: usize,
        found: Result<Held, NodeError>,
    ) -> Vec<Result<Listed, NodeError>> {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                return self.is_news_of(place).then_some(Err(error)).into_iter().collect();
            }
        };
        let mut without = NodeSet::EMPTY;
        self.change(|failed| without = *failed);
        without.remove(place);
        let tokens = [found.token.clone()];
        // Nothing can be wrong with the settings: that was seen before the first page was asked for.
        let uprooted = uproot(&self.shared, &found.resource, &tokens, without).await;
        let uprooted = uprooted.unwrap_or_default().into_iter().enumerate();
        let told = uprooted.filter_map(|(node, removed)| match removed {
            Ok(removed) => {
                if node == place {
                    self.change(|failed| failed.remove(place));
                }
                // What was gone by then is not told.
                removed.first()?;
                let remaining = found.remaining.filter(|_| node == place);
                let held = Held { remaining, ..found.clone() };
                Some(Ok(Listed::new(Arc::clone(&self.shared.labels[node]), held)))
            }
            Err(error) => {
                let is_news = self.is_news_of(node);
                (is_news || node == place).then_some(Err(error))
            }
        });
        told.collect()
    }

    /// A node has failed. Whether it had answered before.
    fn is_news_of(&self, node: usize) -> bool {
        let mut is_news = false;
        self.change(|failed| {
            is_news = !failed.contains(node);
            failed.insert(node);
        });
        is_news
    }

    /// No invariant spans a panic here.
    fn change(&self, change: impl FnOnce(&mut NodeSet)) {
        change(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How many locks are removed at the same time.
const AT_ONCE: usize = 16;
