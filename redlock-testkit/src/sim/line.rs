use std::sync::{Arc, Mutex, PoisonError, Weak};

use redlock_core::{Notice, Resource};

use super::link::{Way, Wire};
use crate::inbox::{Inbox, Listener, Mailbox, Subscriber};

/// The way of notices from a node to one stream.
pub(super) struct Line {
    wire: Arc<Wire>,
    resource: Resource,
    mailbox: Arc<Mailbox>,
}

/// The lines of one link.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<Weak<Line>>>);

impl Line {
    /// A stream of the notices of this resource, which is not subscribed to yet. When it is
    /// dropped, the node gets to know.
    pub(super) fn open(wire: &Arc<Wire>, resource: &Resource) -> Inbox {
        let mailbox = Arc::new(Mailbox::default());
        let line = Arc::new(Self {
            wire: Arc::clone(wire),
            resource: resource.clone(),
            mailbox: Arc::clone(&mailbox),
        });
        wire.lines.add(&line);
        let (wire, resource) = (Arc::clone(wire), resource.clone());
        Inbox::new(mailbox, line, move |subscriber| wire.unsubscribe(resource, subscriber.clone()))
    }

    /// The connection has closed: this end knows at once, the node when it hears of it.
    fn close(self: Arc<Self>) {
        self.mailbox.end();
        let (wire, resource) = (Arc::clone(&self.wire), self.resource.clone());
        let listener: Arc<dyn Listener> = self;
        wire.unsubscribe(resource, Subscriber::new(&listener));
    }
}

impl Listener for Line {
    fn tell(&self, notice: Notice) {
        let (network, random) = (self.wire.network(), self.wire.sim.random());
        if self.wire.is_cut() || random.chance(network.lose_notice) {
            return;
        }
        if random.chance(network.end_streams) {
            return self.wire.lines.close();
        }
        let copies = if random.chance(network.duplicate_notice) { 2 } else { 1 };
        for _ in 0..copies {
            let arrival = self.wire.arrival(self.wire.connection(), Way::Told);
            let mailbox = Arc::clone(&self.mailbox);
            self.wire.sim.at(arrival, move || mailbox.tell(notice));
        }
    }

    /// Known also when the link is cut: connections are looked after, and silence ends them.
    fn end(&self) {
        let arrival = self.wire.arrival(self.wire.connection(), Way::Told);
        let mailbox = Arc::clone(&self.mailbox);
        self.wire.sim.at(arrival, move || mailbox.end());
    }
}

impl Lines {
    fn add(&self, line: &Arc<Line>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    /// All streams of the link end.
    pub(super) fn close(&self) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        lines.iter().filter_map(Weak::upgrade).for_each(Line::close);
    }
}

#[cfg(test)]
mod tests;
