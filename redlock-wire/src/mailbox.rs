use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use redlock_core::{NodeError, Notice};

/// What waits for one subscriber: whether he is subscribed, and the newest few notices.
#[derive(Debug)]
pub(crate) struct Mailbox(Mutex<State>);

#[derive(Debug)]
struct State {
    stage: Stage,
    notices: VecDeque<Notice>,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum Stage {
    Asked,
    Subscribed,
    Failed(NodeError),
    Ended,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        let state = State { stage: Stage::Asked, notices: VecDeque::new(), reader: None };
        Self(Mutex::new(state))
    }

    /// Nothing will be missed from now on. Whom to wake, if anybody: after unlocking.
    pub(crate) fn subscribed(&self) -> Option<Waker> {
        let mut state = self.state();
        if let Stage::Asked = state.stage {
            state.stage = Stage::Subscribed;
        }
        state.reader.take()
    }

    /// Nothing comes any more. The error is for one who is not subscribed yet.
    pub(crate) fn end(&self, error: &NodeError) -> Option<Waker> {
        let mut state = self.state();
        state.stage = match mem::replace(&mut state.stage, Stage::Ended) {
            Stage::Asked => Stage::Failed(error.clone()),
            Stage::Subscribed | Stage::Ended => Stage::Ended,
            failed @ Stage::Failed(_) => failed,
        };
        state.reader.take()
    }

    /// Adds a notice, in place of the oldest if there are too many.
    ///
    /// Also before it is known that the subscriber is subscribed: that it is told shows that he is.
    pub(crate) fn put(&self, notice: Notice) -> Option<Waker> {
        let mut state = self.state();
        if state.notices.len() == CAPACITY {
            state.notices.pop_front();
        }
        state.notices.push_back(notice);
        state.reader.take()
    }

    pub(crate) fn poll_subscribed(&self, reader: &Waker) -> Poll<Result<(), NodeError>> {
        let mut state = self.state();
        match &state.stage {
            Stage::Asked => state.wake_later(reader),
            Stage::Failed(error) => Poll::Ready(Err(error.clone())),
            Stage::Subscribed | Stage::Ended => Poll::Ready(Ok(())),
        }
    }

    /// What has come before the end is told before it.
    pub(crate) fn poll_next(&self, reader: &Waker) -> Poll<Option<Notice>> {
        let mut state = self.state();
        match (state.notices.pop_front(), &state.stage) {
            (Some(notice), _) => Poll::Ready(Some(notice)),
            (None, Stage::Asked | Stage::Subscribed) => state.wake_later(reader),
            (None, Stage::Failed(_) | Stage::Ended) => Poll::Ready(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_later<T>(&mut self, reader: &Waker) -> Poll<T> {
        match &mut self.reader {
            Some(same) => same.clone_from(reader),
            none => *none = Some(reader.clone()),
        }
        Poll::Pending
    }
}

/// More than there are nodes in any redlock that makes sense; a reader wants the newest only.
const CAPACITY: usize = 16;

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::poll_fn};
    use redlock_core::FailureKind;

    use super::*;

    fn notice(listeners: u32) -> Notice {
        Notice { holder: None, listeners }
    }

    fn next(mailbox: &Mailbox) -> Option<Option<Notice>> {
        poll_fn(|context| mailbox.poll_next(context.waker())).now_or_never()
    }

    fn subscribed(mailbox: &Mailbox) -> Option<Result<(), NodeError>> {
        poll_fn(|context| mailbox.poll_subscribed(context.waker())).now_or_never()
    }

    #[test]
    fn who_does_not_read_keeps_the_newest() {
        let mailbox = Mailbox::new();
        assert!(subscribed(&mailbox).is_none());
        mailbox.subscribed();
        assert!(subscribed(&mailbox).unwrap().is_ok());
        (0..1_000).for_each(|number| drop(mailbox.put(notice(number))));
        mailbox.end(&NodeError::new("n", FailureKind::Closed));
        let kept: Vec<_> = std::iter::from_fn(|| next(&mailbox).unwrap()).collect();
        assert_eq!(kept, (984..1_000).map(notice).collect::<Vec<_>>());
        assert_eq!(next(&mailbox), Some(None), "the end comes again and again");
    }

    #[test]
    fn the_first_end_counts() {
        let mailbox = Mailbox::new();
        mailbox.end(&NodeError::new("n", FailureKind::Rejected));
        mailbox.end(&NodeError::new("n", FailureKind::Closed));
        mailbox.subscribed();
        let error = subscribed(&mailbox).unwrap().unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected);
        assert_eq!(next(&mailbox), Some(None));
    }
}
