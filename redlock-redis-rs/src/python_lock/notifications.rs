//! How the node wakes and waits: [`Notifications`] for [`PythonLockNode`].

use std::sync::Arc;

use async_trait::async_trait;
use futures::{
    StreamExt,
    channel::oneshot,
    stream::{self, BoxStream},
};
use redlock_core::{Announced, NodeError, Notice, Notifications, Resource, Token};
use tokio::{runtime::Handle, sync::mpsc};

use super::{PythonLockNode, listener::Listener};
use crate::error;

/// One release wakes one of those who have subscribed, not all: that is how python-redis-lock waits.
/// Who is woken and does not get the lock is woken again by whoever has it.
///
/// Notices tell neither who the holder was nor how many wait, for the format has neither.
#[async_trait]
impl Notifications for PythonLockNode {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let mut line = self.server.line().await?;
        let vote = self.named(resource).release_and_signal(&mut line, token).await?;
        Ok(Announced { vote, listeners: 0 })
    }

    /// Leaves a signal if the lock is free and none is there: otherwise nobody has to be told.
    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        self.named(resource).signal_if_free(&mut self.server.line().await?).await
    }

    /// Waits by `BLPOP` on a connection of its own. A signal that was left shortly before is heard as well.
    ///
    /// About once a second it looks at the lock itself, and says so if that is free: a holder may
    /// have died, or the one who was woken.
    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let label = &self.server.link.config.label;
        let runtime = Handle::try_current().map_err(|error| error::no_runtime(label, error))?;
        let (ready, listening) = oneshot::channel();
        // One notice, and no other signal is taken before that one has been heard.
        let (notices, heard) = mpsc::channel(1);
        let listener = Listener::new(self.server.clone(), self.named(resource), notices);
        // A task, because whoever waits may be dropped at any time, and a signal that is on its
        // way to him then must go back.
        runtime.spawn(listener.run(ready));
        listening.await.unwrap_or_else(|_| Err(error::runtime_ended(&Arc::clone(label))))?;
        let notices = stream::unfold(heard, |mut heard| async move {
            heard.recv().await.map(|notice| (notice, heard))
        });
        Ok(notices.boxed())
    }
}
