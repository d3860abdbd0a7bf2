use std::{fmt, sync::Arc};

use futures::{StreamExt, stream::BoxStream};
use redlock_core::{Error, Listed, NodeError};

use crate::thread::Thread;

/// What nodes hold, or what was reset, told one after the other: an iterator. Made by
/// [`Redlock::list`](crate::Redlock::list) and [`Redlock::reset_all`](crate::Redlock::reset_all).
///
/// Nodes are asked when the next is wanted, and of each only a page is in memory. After the error of
/// a node it goes on with the others. Dropped before its end, it ends where it is: of the next few
/// locks of a reset it is then unknown which nodes have given them up, and the rest stays.
#[must_use = "no node is asked before the first is wanted"]
pub struct Listing {
    /// `None` once it has ended.
    listed: Option<BoxStream<'static, Result<Listed, NodeError>>>,
    thread: Arc<Thread>,
}

/// Why something could not be listed or reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// A node failed; the other nodes go on.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The next was wanted inside an async runtime, one of whose threads that would have held up.
    /// Nothing more comes: an iterator that could only go on with this would never end.
    #[error("{}", Error::InsideRuntime)]
    InsideRuntime,
    /// The next was wanted in a fork of the process that made the redlock. Nothing more comes.
    #[error("{}", Error::Forked)]
    Forked,
    /// The next was wanted by a destructor of a thread that ends. Nothing more comes.
    #[error("{}", Error::ThreadEnding)]
    ThreadEnding,
}

impl Listing {
    pub(crate) fn new(
        listed: BoxStream<'static, Result<Listed, NodeError>>,
        thread: &Arc<Thread>,
    ) -> Self {
        Self { listed: Some(listed), thread: Arc::clone(thread) }
    }
}

impl ListingError {
    const fn refused(refusal: &Error) -> Self {
        match refusal {
            Error::Forked => Self::Forked,
            Error::ThreadEnding => Self::ThreadEnding,
            // To wait is refused for no other reason.
            _ => Self::InsideRuntime,
        }
    }
}

impl Iterator for Listing {
    type Item = Result<Listed, ListingError>;

    /// Waits for the next: at most for the [node timeout](redlock_core::RedlockBuilder::node_timeout)
    /// of each page or reset that has to come first.
    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.thread.wait(self.listed.as_mut()?.next()) {
            Ok(next) => next,
            Err(refusal) => {
                self.listed = None;
                return Some(Err(ListingError::refused(&refusal)));
            }
        };
        if next.is_none() {
            self.listed = None;
        }
        next.map(|listed| listed.map_err(ListingError::Node))
    }
}

impl std::iter::FusedIterator for Listing {}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("ended", &self.listed.is_none()).finish_non_exhaustive()
    }
}
