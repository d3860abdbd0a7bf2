//! What can happen to the notices of a [`MemoryNode`], and what a test can see of them.

use redlock_core::Resource;

use super::{
    MemoryNode,
    board::{Mail, Permission},
};
use crate::inbox::Subscriber;

impl MemoryNode {
    /// From now on the node cannot tell anybody of releases, as a store that has nothing of the
    /// kind: [`notifications`](redlock_core::LockNode::notifications) finds nothing. Streams end.
    pub fn mute(&self) {
        let ended = self.state().board.permit(Permission::Mute);
        end(ended);
    }

    /// From now on the node may not tell anybody of releases, as by an ACL: who subscribes or
    /// notifies is rejected, releases are carried out and nobody is told. Streams end.
    pub fn forbid_notices(&self) {
        let ended = self.state().board.permit(Permission::Forbidden);
        end(ended);
    }

    /// The node can and may tell of releases, as it could when it was made.
    pub fn allow_notices(&self) {
        let ended = self.state().board.permit(Permission::Granted);
        end(ended);
    }

    /// The next so many notices that somebody has subscribed to are lost.
    pub fn lose_notices(&self, notices: u64) {
        self.state().board.lose(notices);
    }

    /// The next so many notices that somebody has subscribed to, and that are not lost, come twice.
    pub fn repeat_notices(&self, notices: u64) {
        self.state().board.repeat(notices);
    }

    /// From now on notices are held back until [`deliver_notices`](Self::deliver_notices), while
    /// releases are carried out and answered.
    pub fn hold_notices(&self) {
        self.state().board.hold();
    }

    /// The notices that were held back are told, in their order, and later ones at once.
    pub fn deliver_notices(&self) {
        let held = self.state().board.let_go();
        held.into_iter().for_each(Mail::deliver);
    }

    /// The connections that notices come on are cut: all streams end, with what they have. The
    /// node goes on, and whoever likes may subscribe again.
    pub fn cut_subscriptions(&self) {
        let ended = self.state().board.disconnect();
        end(ended);
    }

    /// How many subscriptions to this resource the node knows of.
    #[must_use]
    pub fn subscriptions(&self, resource: &Resource) -> usize {
        self.state().board.subscriptions(resource)
    }

    pub(crate) fn unsubscribe(&self, resource: &Resource, subscriber: &Subscriber) {
        self.state().board.unsubscribe(resource, subscriber);
    }

    pub(crate) fn is_mute(&self) -> bool {
        self.state().board.is_mute()
    }
}

/// Tells them that no notices will come any more. Not under a lock: they may do anything.
pub(super) fn end(subscribers: Vec<Subscriber>) {
    for listener in subscribers.iter().filter_map(Subscriber::listener) {
        listener.end();
    }
}

#[cfg(test)]
mod tests;
