use std::{fmt, future::Future, sync::Arc};

use futures::future::poll_fn;
use redlock_core::NodeError;

use super::{Errand, Shared, lines::Wire, wake};
use crate::{Channel, channel::heard};

/// The one who serves a [`Switchboard`](crate::Switchboard), on a connection. Dropped, everything ends.
pub struct Operator {
    pub(super) shared: Arc<Shared>,
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

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("label", &self.shared.label).finish_non_exhaustive()
    }
}
