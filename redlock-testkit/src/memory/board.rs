use std::collections::BTreeMap;

use redlock_core::{FailureKind, Notice, Resource, Token};

use crate::inbox::Subscriber;

/// Who has subscribed to what, and what becomes of a notice on its way to them.
#[derive(Debug, Default)]
pub(super) struct Board {
    subscribers: BTreeMap<Resource, Vec<Subscriber>>,
    permission: Permission,
    /// How many of the next notices are lost.
    lose: u64,
    /// How many of the next notices are told twice.
    repeat: u64,
    /// What waits, while notices are held back.
    held: Option<Vec<Mail>>,
}

/// Whether a node tells anybody of releases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Permission {
    #[default]
    Granted,
    Forbidden,
    /// It does not know how.
    Mute,
}

/// A notice, and who is to be told.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    notice: Notice,
    to: Vec<Subscriber>,
}

impl Board {
    /// Somebody wants to be told of this resource, if he is still there.
    pub(super) fn subscribe(
        &mut self,
        resource: &Resource,
        subscriber: &Subscriber,
    ) -> Result<(), FailureKind> {
        self.permitted()?;
        if subscriber.listens() {
            let subscribers = self.subscribers.entry(resource.clone()).or_default();
            // A request may arrive twice.
            if !subscribers.contains(subscriber) {
                subscribers.push(subscriber.clone());
            }
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, resource: &Resource, subscriber: &Subscriber) {
        if let Some(subscribers) = self.subscribers.get_mut(resource) {
            subscribers.retain(|other| other != subscriber);
            if subscribers.is_empty() {
                self.subscribers.remove(resource);
            }
        }
    }

    /// Word that this holder, if he is known, has given up the resource: how many have subscribed
    /// to it, and what is to be delivered now.
    pub(super) fn post(&mut self, resource: &Resource, holder: Option<&Token>) -> (u32, Vec<Mail>) {
        let Some(to) = self.subscribers.get(resource).cloned().filter(|to| !to.is_empty()) else {
            return (0, Vec::new());
        };
        let listeners = u32::try_from(to.len()).unwrap_or(u32::MAX);
        let holder = holder.map(Token::fingerprint);
        let mail = Mail { notice: Notice { holder, listeners }, to };
        let copies = if take_one(&mut self.lose) {
            Vec::new()
        } else if take_one(&mut self.repeat) {
            vec![mail.clone(), mail]
        } else {
            vec![mail]
        };
        match &mut self.held {
            Some(held) => held.extend(copies),
            None => return (listeners, copies),
        }
        (listeners, Vec::new())
    }

    pub(super) fn permitted(&self) -> Result<(), FailureKind> {
        match self.permission {
            Permission::Granted => Ok(()),
            Permission::Forbidden => Err(FailureKind::Rejected),
            Permission::Mute => Err(FailureKind::Unsupported),
        }
    }

    /// From now on this is permitted. Nobody who had subscribed hears any more; they are to be
    /// told so.
    pub(super) fn permit(&mut self, permission: Permission) -> Vec<Subscriber> {
        self.permission = permission;
        match permission {
            Permission::Granted => Vec::new(),
            Permission::Forbidden | Permission::Mute => self.disconnect(),
        }
    }

    /// All subscriptions end, and what was held back for them is lost; they are to be told so.
    pub(super) fn disconnect(&mut self) -> Vec<Subscriber> {
        self.held = self.held.take().map(|_| Vec::new());
        std::mem::take(&mut self.subscribers).into_values().flatten().collect()
    }

    pub(super) const fn lose(&mut self, notices: u64) {
        self.lose = notices;
    }

    pub(super) const fn repeat(&mut self, notices: u64) {
        self.repeat = notices;
    }

    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// What was held back is to be delivered, in this order.
    pub(super) fn let_go(&mut self) -> Vec<Mail> {
        self.held.take().unwrap_or_default()
    }

    pub(super) fn subscriptions(&self, resource: &Resource) -> usize {
        self.subscribers.get(resource).map_or(0, Vec::len)
    }

    pub(super) fn is_mute(&self) -> bool {
        self.permission == Permission::Mute
    }
}

impl Mail {
    /// Must not be called under a lock: who is told may do anything.
    pub(super) fn deliver(self) {
        for listener in self.to.iter().filter_map(Subscriber::listener) {
            listener.tell(self.notice);
        }
    }
}

/// Takes one away, and tells whether there was one.
const fn take_one(left: &mut u64) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}
