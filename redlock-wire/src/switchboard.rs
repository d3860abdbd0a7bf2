//! Many subscribers, one connection: [`Switchboard`].

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::{Stream, future::poll_fn};
use redlock_core::{FailureKind, NodeError, Notice};

use crate::{Channel, channel::heard, mailbox::Mailbox};

/// Where subscribers come for the channels of one connection; cheap to clone.
///
/// It knows no client library: what has to be said on the connection it gives to its [`Operator`],
/// one per connection, who says it and tells what comes back. Each channel is subscribed to while
/// it has subscribers, however many. When the operator is gone, all subscriptions end.
#[derive(Clone)]
pub struct Switchboard {
    shared: Arc<Shared>,
}

/// The one who serves a [`Switchboard`], on a connection. Dropped, everything ends.
pub struct Operator {
    shared: Arc<Shared>,
}

/// One subscriber: a stream of what he is told. It ends when the connection does.
pub struct Subscription {
    shared: Arc<Shared>,
    channel: Channel,
    mailbox: Arc<Mailbox>,
}

/// What has to be said on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// `SUBSCRIBE` to this channel, then tell [`Operator::subscribed`] or [`Operator::refused`].
    Subscribe(Channel),
    /// `UNSUBSCRIBE` from this channel, then tell [`Operator::unsubscribed`].
    Unsubscribe(Channel),
}

struct Shared {
    label: Arc<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: HashMap<Channel, Line>,
    /// Channels whose wire may not be as it should; each at most once.
    changed: VecDeque<Channel>,
    operator: Option<Waker>,
    over: bool,
}

/// What there is for one channel.
#[derive(Default)]
struct Line {
    wire: Wire,
    is_changed: bool,
    subscribers: Vec<Arc<Mailbox>>,
}

/// What the server knows of a channel. Only one request about it is under way at a time, so
/// no answer can be taken for that to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wire {
    #[default]
    Off,
    Subscribing,
    On,
    Unsubscribing,
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

impl Operator {
    /// What has to be said next, when there is something.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, nothing is lost.
    pub fn errand(&mut self) -> impl Future<Output = Errand> + Send + '_ {
        poll_fn(|context| self.shared.state().poll_errand(context))
    }

    /// The server has acknowledged a subscription: nothing of this channel will be missed.
    pub fn subscribed(&self, channel: &Channel) {
        self.settle(channel, Wire::On, None);
    }

    /// The server has refused a subscription, with this error. The connection goes on.
    pub fn refused(&self, channel: &Channel, error: &NodeError) {
        self.settle(channel, Wire::Off, Some(error));
    }

    /// The server has acknowledged that a subscription is over.
    pub fn unsubscribed(&self, channel: &Channel) {
        self.settle(channel, Wire::Off, None);
    }

    /// A message has come on a channel of this name.
    pub fn deliver(&self, channel: &[u8], message: &[u8]) {
        let notice = heard(message);
        let Ok(channel) = std::str::from_utf8(channel) else { return };
        let state = self.shared.state();
        // Whoever waits for the acknowledgement of an earlier subscription is told as well: it was
        // true at the time.
        let Some(line) = state.lines.get(channel) else { return };
        let readers: Vec<_> =
            line.subscribers.iter().filter_map(|mailbox| mailbox.put(notice)).collect();
        drop(state);
        wake(readers);
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.state().is_idle()
    }

    /// Ends the service if nobody listens; who comes later needs another connection.
    #[must_use]
    pub fn close_if_idle(&self) -> bool {
        let mut state = self.shared.state();
        state.over |= state.is_idle();
        state.over
    }

    /// Ends all subscriptions; those that are not acknowledged yet fail with this error.
    pub fn end(self, error: &NodeError) {
        self.shared.end(error);
    }

    /// What has become of the wire of a channel.
    fn settle(&self, channel: &Channel, wire: Wire, refusal: Option<&NodeError>) {
        let mut state = self.shared.state();
        let Some(line) = state.lines.get_mut(channel) else { return };
        line.wire = wire;
        let readers: Vec<_> = match (wire, refusal) {
            (Wire::On, _) => {
                line.subscribers.iter().filter_map(|mailbox| mailbox.subscribed()).collect()
            }
            (_, Some(error)) => {
                line.subscribers.drain(..).filter_map(|mailbox| mailbox.end(error)).collect()
            }
            _ => Vec::new(),
        };
        let operator = state.look_at(channel);
        drop(state);
        wake(readers.into_iter().chain(operator));
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.shared.end(&self.shared.closed());
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
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> NodeError {
        NodeError::new(Arc::clone(&self.label), FailureKind::Closed)
    }

    fn end(&self, error: &NodeError) {
        let mut state = self.state();
        state.over = true;
        state.changed.clear();
        let lines = std::mem::take(&mut state.lines);
        drop(state);
        let mailboxes = lines.into_values().flat_map(|line| line.subscribers);
        mailboxes.for_each(|mailbox| wake(mailbox.end(error)));
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.lines.values().all(|line| line.subscribers.is_empty())
    }

    /// Has the operator see to a channel if its wire is not as its subscribers want it, and forgets
    /// one that nobody wants. Whom to wake: after unlocking.
    fn look_at(&mut self, channel: &Channel) -> Option<Waker> {
        let line = self.lines.get_mut(channel)?;
        let is_wanted = !line.subscribers.is_empty();
        match (line.wire, is_wanted) {
            (Wire::Off, true) | (Wire::On, false) if !line.is_changed => {
                line.is_changed = true;
                self.changed.push_back(channel.clone());
                return self.operator.take();
            }
            (Wire::Off, false) if !line.is_changed => drop(self.lines.remove(channel)),
            _ => {}
        }
        None
    }

    fn poll_errand(&mut self, context: &Context<'_>) -> Poll<Errand> {
        while let Some(channel) = self.changed.pop_front() {
            let Some(line) = self.lines.get_mut(&channel) else { continue };
            line.is_changed = false;
            match (line.wire, line.subscribers.is_empty()) {
                (Wire::Off, false) => {
                    line.wire = Wire::Subscribing;
                    return Poll::Ready(Errand::Subscribe(channel));
                }
                (Wire::On, true) => {
                    line.wire = Wire::Unsubscribing;
                    return Poll::Ready(Errand::Unsubscribe(channel));
                }
                // They have changed their minds meanwhile.
                (Wire::Off, true) => drop(self.lines.remove(&channel)),
                _ => {}
            }
        }
        self.operator = Some(context.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard").field("label", &self.shared.label).finish_non_exhaustive()
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("label", &self.shared.label).finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("channel", &self.channel).finish_non_exhaustive()
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
