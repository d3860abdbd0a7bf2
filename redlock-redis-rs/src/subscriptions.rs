use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use redlock_core::{NodeError, Notice, Resource};
use redlock_wire::{Channel, Subscription, Switchboard};
use tokio::{
    runtime::{Handle, Id},
    sync::watch,
    time::timeout,
};

use crate::{
    config::Settings,
    error,
    hearing::{self, Failure},
};

/// What a node hears: one connection for all its subscribers, made for the first and closed soon
/// after the last.
///
/// It works only while the runtime that it was made in is polled, so each runtime has one of its
/// own, as for commands.
pub(crate) struct Subscriptions {
    pub(crate) settings: Arc<Settings>,
    slots: Mutex<Vec<Slot>>,
    doubt: watch::Sender<()>,
}

struct Slot {
    runtime: Id,
    switchboard: Switchboard,
    failure: Failure,
}

impl Subscriptions {
    pub(crate) fn new(settings: Settings) -> Self {
        let (doubt, _) = watch::channel(());
        Self { settings: Arc::new(settings), slots: Mutex::default(), doubt }
    }

    /// Has the connection looked into, if there is one: another to the same server is gone or slow.
    pub(crate) fn doubt(&self) {
        self.doubt.send_replace(());
    }

    /// Listens to the notices of a resource, once the server has acknowledged that.
    pub(crate) async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let label = &self.settings.label;
        let runtime = Handle::try_current().map_err(|error| error::no_runtime(label, error))?;
        let subscription = self.join(&runtime, Channel::of(resource))?;
        let Settings { connect_timeout, response_timeout, .. } = *self.settings;
        let patience = connect_timeout.saturating_add(response_timeout);
        match timeout(patience, subscription.subscribed()).await {
            Ok(subscribed) => subscribed.map(|()| subscription.boxed()),
            Err(_) => Err(NodeError::timed_out(Arc::clone(label), patience)),
        }
    }

    fn join(&self, runtime: &Handle, channel: Channel) -> Result<Subscription, NodeError> {
        let mut slots = self.slots();
        for slot in slots.iter().filter(|slot| slot.runtime == runtime.id()) {
            if let Some(subscription) = slot.switchboard.join(channel.clone()) {
                return Ok(subscription);
            }
            if let Some(error) = slot.recent_failure() {
                return Err(error.clone());
            }
        }
        let outdated: Vec<_> = slots.extract_if(.., |slot| slot.is_outdated()).collect();
        let (switchboard, operator) = Switchboard::new(Arc::clone(&self.settings.label));
        let failure = Failure::default();
        // There is nobody yet who could have ended it.
        let joined = switchboard.join(channel);
        let slot = Slot { runtime: runtime.id(), switchboard, failure: Arc::clone(&failure) };
        slots.push(slot);
        // As for commands: neither dropped nor spawned while the slots are locked.
        drop(slots);
        drop(outdated);
        let doubt = self.doubt.subscribe();
        runtime.spawn(hearing::hear(Arc::clone(&self.settings), operator, failure, doubt));
        joined.ok_or_else(|| error::runtime_ended(&self.settings.label))
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn recent_failure(&self) -> Option<&NodeError> {
        self.failure.get().filter(|(since, _)| since.elapsed() < PAUSE).map(|(_, error)| error)
    }

    fn is_outdated(&self) -> bool {
        self.switchboard.is_over() && self.recent_failure().is_none()
    }
}

/// How long after a failed attempt subscribers fail at once, as callers do.
const PAUSE: Duration = Duration::from_millis(100);
