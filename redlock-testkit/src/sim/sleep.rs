use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use redlock_core::Moment;

use super::{
    core::Core,
    state::{EventKey, GroupId},
};

/// A timer by the clock of one client.
pub(super) struct Sleep {
    core: Arc<Core>,
    group: GroupId,
    deadline: Moment,
    event: Option<EventKey>,
}

impl Sleep {
    pub(super) fn new(core: &Arc<Core>, group: GroupId, deadline: Moment) -> Self {
        Self { core: Arc::clone(core), group, deadline, event: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shown = self.core.state().client_now(self.group);
        if shown >= self.deadline {
            return Poll::Ready(());
        }
        self.event = self.core.wake_at(self.group, self.deadline, self.event, cx.waker());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(event) = self.event {
            self.core.cancel(event);
        }
    }
}
