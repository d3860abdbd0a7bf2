use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use smallvec::SmallVec;

use super::calls::Answer;

/// Calls to nodes that have not returned, for whoever waits for them, and then for whoever finishes
/// them.
///
/// A wake-up polls all of them, whichever it was for. They are no more than there are nodes, and
/// one poll too many of each costs less than to keep account of who was woken, which for that needs
/// a waker of its own for each.
pub(super) struct InFlight(SmallVec<[BoxFuture<'static, Answer>; COMMON]>);

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next answer; `None` if every call has returned.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        for place in 0..self.0.len() {
            let Some(call) = self.0.get_mut(place) else { break };
            if let Poll::Ready(answer) = Pin::as_mut(call).poll(cx) {
                drop(self.0.remove(place));
                return Poll::Ready(Some(answer));
            }
        }
        if self.0.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// An answer that can be had without waiting. To be followed by [`poll_next`](Self::poll_next)
    /// with a waker, or by nothing: this one wakes nobody.
    pub(super) fn ready(&mut self) -> Option<Answer> {
        std::future::poll_fn(|cx| self.poll_next(cx)).now_or_never().flatten()
    }
}

impl FromIterator<BoxFuture<'static, Answer>> for InFlight {
    fn from_iter<I: IntoIterator<Item = BoxFuture<'static, Answer>>>(calls: I) -> Self {
        Self(calls.into_iter().collect())
    }
}

impl Extend<BoxFuture<'static, Answer>> for InFlight {
    fn extend<I: IntoIterator<Item = BoxFuture<'static, Answer>>>(&mut self, calls: I) {
        self.0.extend(calls);
    }
}

impl IntoIterator for InFlight {
    type Item = BoxFuture<'static, Answer>;
    type IntoIter = smallvec::IntoIter<[BoxFuture<'static, Answer>; COMMON]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// So many nodes need no list of their own.
const COMMON: usize = 5;
