use std::{mem, sync::Arc, time::Duration, vec};

use futures::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use super::{
    error::Error,
    inquiry::{ask_one, surveyed},
    redlock::Redlock,
    shared::Shared,
};
use crate::{Cursor, Held, NodeError, Resource, Token};

impl Redlock {
    /// Lists the locks whose resource begins with `prefix`, of all resources if it is empty: what
    /// each node holds, node by node as it comes, in no order.
    ///
    /// A lock of three nodes is there three times, once for each, and a vote that never became a
    /// lock as well; [`inspect`](Self::inspect) says which is which. For each node only a page is in
    /// memory, and the next is asked for when that has been taken: however many locks there
    /// are, neither this process nor a server has to hold or look through them at once. So
    /// what comes or goes meanwhile may be missed, and what is there may come twice.
    ///
    /// Nodes do not know what a key is for: they tell those that look like locks, on a Redis
    /// server **every string that expires**. Where other things are kept as well, locks need a
    /// prefix of their own.
    ///
    /// The stream goes on after the error of a node, with the others: it was the last of this one.
    /// Each page has to come within the [node timeout](super::RedlockBuilder::node_timeout).
    ///
    /// # Errors
    ///
    /// [`Error::NoRuntime`]. What nodes could not do comes in the stream.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping the stream does neither.
    pub fn list(
        &self,
        prefix: impl Into<Arc<str>>,
    ) -> Result<BoxStream<'static, Result<Listed, NodeError>>, Error> {
        let walks = self.walks(prefix.into())?;
        let listed = |walk: Walk| {
            let label = Arc::clone(&walk.shared.labels[walk.place]);
            let listed = move |held| Listed::new(Arc::clone(&label), held);
            walk.into_stream().map_ok(listed).boxed()
        };
        Ok(stream::select_all(walks.map(listed)).boxed())
    }

    pub(super) fn walks(&self, prefix: Arc<str>) -> Result<impl Iterator<Item = Walk>, Error> {
        let shared = self.shared();
        // Not needed here; but without it there are no timers, and who asks is told why.
        shared.reaper.start()?;
        Ok((0..shared.nodes.len()).map(move |place| Walk {
            shared: Arc::clone(shared),
            place,
            prefix: Arc::clone(&prefix),
            page: Vec::new().into_iter(),
            next: Next::First,
        }))
    }
}

/// What one node holds, or held until it was reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    label: Arc<str>,
    held: Held,
}

impl Listed {
    pub(super) const fn new(label: Arc<str>, held: Held) -> Self {
        Self { label, held }
    }

    /// The label of the node.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What is held.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.held.resource
    }

    /// The holder's token.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.held.token
    }

    /// The holder's [owner label](Token::owner), if it has one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.held.token.owner()
    }

    /// How much longer this node holds it, if nobody extends it; `None` if it cannot tell.
    #[must_use]
    pub const fn remaining(&self) -> Option<Duration> {
        self.held.remaining
    }
}

/// The locks of one node, page by page.
pub(super) struct Walk {
    shared: Arc<Shared>,
    place: usize,
    prefix: Arc<str>,
    /// What is left of the page that came last.
    page: vec::IntoIter<Held>,
    next: Next,
}

/// Which page comes next.
enum Next {
    First,
    From(Cursor),
    None,
}

impl Walk {
    pub(super) const fn place(&self) -> usize {
        self.place
    }

    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Held, NodeError>> + Send + 'static {
        stream::unfold(self, |mut walk| async move {
            let held = walk.next().await?;
            Some((held, walk))
        })
    }

    async fn next(&mut self) -> Option<Result<Held, NodeError>> {
        loop {
            if let Some(held) = self.page.next() {
                return Some(Ok(held));
            }
            let from = match mem::replace(&mut self.next, Next::None) {
                Next::First => None,
                Next::From(cursor) => Some(cursor),
                Next::None => return None,
            };
            let node = &self.shared.nodes[self.place];
            let question = async { surveyed(&**node)?.list(&self.prefix, from.as_ref()).await };
            match ask_one(&self.shared, node, None, question).await {
                Ok(page) => {
                    self.page = page.held.into_iter();
                    self.next = page.next.map_or(Next::None, Next::From);
                }
                // Where it stopped is not known any more, so this was the last of this node.
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
