//! Many subscribers, one connection: [`Switchboard`].

mod lines;
mod operator;

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::{Stream, future::poll_fn};
use redlock_core::{FailureKind, NodeError, Notice};

use self::lines::{Lines, Wire};
pub use self::{lines::Errand, operator::Operator};
use crate::{Channel, mailbox::Mailbox};

/// Where subscribers come for the channels of one connection; cheap to clone.
///
/// It knows no client library: what has to be said on the connection it gives to its [`Operator`],
/// one per connection, who says it and tells what comes back. Each channel is subscribed to while
/// it has subscribers, however many. When the operator is gone, all subscriptions end.
#[derive(Clone)]
pub struct Switchboard {
    shared: Arc<Shared>,
}

/// One subscriber: a stream of what he is told. It ends when the connection does.
pub struct Subscription {
    shared: Arc<Shared>,
    channel: Channel,
    mailbox: Arc<Mailbox>,
}

struct Shared {
    label: Arc<str>,
    state: Mutex<Lines>,
}

impl Switchboard {
    /// A switchboard for one connection of the node with this label.
    #[must_use]
    pub fn new(label: Arc<str>) -> (Self, Operator) {
        let shared = Arc::new(Shared { label, state: Mutex::default() });
        (Self { shared: Arc::clone(&shared) }, Operator { shared })
    }

    /// A subscriber to a channel, subscribed when [`Subscription::subscribed`] completes; `None`
    /// if the operator is gone, and another connection is needed.
    #[must_use]
    pub fn join(&self, channel: Channel) -> Option<Subscription> {
        let mailbox = Arc::new(Mailbox::new());
        let mut state = self.shared.state();
        if state.over {
            return None;
        }
        let line = state.lines.entry(channel.clone()).or_default();
        line.subscribers.push(Arc::clone(&mailbox));
        if line.wire == Wire::On {
            mailbox.subscribed();
        }
        let operator = state.look_at(&channel);
        drop(state);
        wake(operator);
        Some(Subscription { shared: Arc::clone(&self.shared), channel, mailbox })
    }

    /// Whether it can still be [joined](Self::join).
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.state().over
    }
}

impl Subscription {
    /// Completes when nothing will be missed from now on.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server has refused, or the connection has ended before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing; dropping the subscription ends it.
    pub async fn subscribed(&self) -> Result<(), NodeError> {
        poll_fn(|context| self.mailbox.poll_subscribed(context.waker())).await
    }
}

impl Stream for Subscription {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.mailbox.poll_next(context.waker())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let Some(line) = state.lines.get_mut(&self.channel) else { return };
        line.subscribers.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
        let operator = state.look_at(&self.channel);
        drop(state);
        wake(operator);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Lines> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> NodeError {
        NodeError::new(Arc::clone(&self.label), FailureKind::Closed)
    }

    fn end(&self, error: &NodeError) {
        let mut state = self.state();
        state.over = true;
        state.changed.clear();
        let lines = mem::take(&mut state.lines);
        drop(state);
        let mailboxes = lines.into_values().flat_map(|line| line.subscribers);
        mailboxes.for_each(|mailbox| wake(mailbox.end(error)));
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard").field("label", &self.shared.label).finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Never while anything is locked: a waker may do as it likes.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
