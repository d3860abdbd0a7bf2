use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{Channel, mailbox::Mailbox};

/// What has to be said on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// `SUBSCRIBE` to this channel, then tell [`Operator::subscribed`](crate::Operator::subscribed)
    /// or [`Operator::refused`](crate::Operator::refused).
    Subscribe(Channel),
    /// `UNSUBSCRIBE` from this channel, then tell
    /// [`Operator::unsubscribed`](crate::Operator::unsubscribed).
    Unsubscribe(Channel),
}

/// Who listens to what, and what the server knows of it.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: HashMap<Channel, Line>,
    /// Channels whose wire may not be as it should; each at most once.
    pub(super) changed: VecDeque<Channel>,
    operator: Option<Waker>,
    pub(super) over: bool,
}

/// What there is for one channel.
#[derive(Default)]
pub(super) struct Line {
    pub(super) wire: Wire,
    is_changed: bool,
    pub(super) subscribers: Vec<Arc<Mailbox>>,
}

/// What the server knows of a channel. Only one request about it is under way at a time, so
/// no answer can be taken for that to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wire {
    #[default]
    Off,
    Subscribing,
    On,
    Unsubscribing,
}

impl Lines {
    pub(super) fn is_idle(&self) -> bool {
        self.lines.values().all(|line| line.subscribers.is_empty())
    }

    /// Has the operator see to a channel if its wire is not as its subscribers want it, and forgets
    /// one that nobody wants. Whom to wake: after unlocking.
    pub(super) fn look_at(&mut self, channel: &Channel) -> Option<Waker> {
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

    pub(super) fn poll_errand(&mut self, context: &Context<'_>) -> Poll<Errand> {
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
