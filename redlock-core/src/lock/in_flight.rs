use std::{
    iter::Flatten,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use smallvec::SmallVec;

/// Calls to nodes that have not returned, for whoever waits for them, and then for whoever finishes
/// them.
///
/// A wake-up polls all of them, whichever it was for. They are no more than there are nodes, and
/// one poll too many of each costs less than to keep account of who was woken, which for that needs
/// a waker of its own for each.
pub(super) struct InFlight<A>(SmallVec<[Slot<A>; COMMON]>);

/// Empty when the call has returned.
type Slot<A> = Option<BoxFuture<'static, A>>;

impl<A> Default for InFlight<A> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<A> InFlight<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The next answer; `None` if every call has returned.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<A>> {
        for slot in &mut self.0 {
            // Not there while it is polled: one that panics is not polled again.
            let Some(mut call) = slot.take() else { continue };
            match call.poll_unpin(cx) {
                Poll::Ready(answer) => return Poll::Ready(Some(answer)),
                Poll::Pending => *slot = Some(call),
            }
        }
        if self.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// An answer that can be had without waiting. To be followed by [`poll_next`](Self::poll_next)
    /// with a waker, or by nothing: this one wakes nobody.
    pub(super) fn ready(&mut self) -> Option<A> {
        std::future::poll_fn(|cx| self.poll_next(cx)).now_or_never().flatten()
    }
}

impl<A> FromIterator<BoxFuture<'static, A>> for InFlight<A> {
    fn from_iter<I: IntoIterator<Item = BoxFuture<'static, A>>>(calls: I) -> Self {
        Self(calls.into_iter().map(Some).collect())
    }
}

impl<A> Extend<BoxFuture<'static, A>> for InFlight<A> {
    fn extend<I: IntoIterator<Item = BoxFuture<'static, A>>>(&mut self, calls: I) {
        self.0.extend(calls.into_iter().map(Some));
    }
}

impl<A> IntoIterator for InFlight<A> {
    type Item = BoxFuture<'static, A>;
    type IntoIter = Flatten<smallvec::IntoIter<[Slot<A>; COMMON]>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// So many nodes need no list of their own.
pub(super) const COMMON: usize = 5;

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn, ready},
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    fn panics() -> BoxFuture<'static, u8> {
        poll_fn(|_| panic!("as a future may")).boxed()
    }

    #[test]
    fn answers_come_as_they_are_there_and_the_end_when_all_have_come() {
        let calls = [pending().boxed(), ready(1).boxed(), ready(2).boxed()];
        let mut calls: InFlight<u8> = calls.into_iter().collect();
        assert_eq!([calls.ready(), calls.ready(), calls.ready()], [Some(1), Some(2), None]);
        assert!(!calls.is_empty());
        assert_eq!(calls.into_iter().count(), 1);
        let mut none = InFlight::<u8>::from_iter([]);
        assert!(none.is_empty());
        assert_eq!(poll_fn(|cx| none.poll_next(cx)).now_or_never(), Some(None));
    }

    #[test]
    fn a_call_that_panics_is_not_polled_again_and_costs_the_others_nothing() {
        let mut calls: InFlight<u8> = [panics(), ready(1).boxed()].into_iter().collect();
        catch_unwind(AssertUnwindSafe(|| calls.ready())).unwrap_err();
        assert_eq!(calls.ready(), Some(1));
        assert!(calls.is_empty());
    }

    #[test]
    fn more_join_those_that_are_under_way() {
        let mut calls: InFlight<u8> = [ready(1).boxed()].into_iter().collect();
        calls.extend((2..10).map(|answer| ready(answer).boxed()));
        let answers: Vec<_> = std::iter::from_fn(|| calls.ready()).collect();
        assert_eq!(answers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
