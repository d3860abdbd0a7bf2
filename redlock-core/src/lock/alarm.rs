use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};

use super::shared::Shared;
use crate::{NodeError, ResourceSet, observe::NodeFailed};

/// Tells those who look on of a call that fails: once, when it does, or when the node has not
/// answered within the node timeout, whoever polls the call by then. Nothing, if nobody looks on.
///
/// A quorum does not wait for a node that hangs, so its call may have gone to the reaper long before
/// it is late; and there it may stay until the node has forgotten the lock, which is too long for
/// those who want to know.
pub(super) struct Alarm(Option<Box<Watching>>);

struct Watching {
    shared: Arc<Shared>,
    resources: Option<ResourceSet>,
    node: usize,
    /// Set when the call has been begun, and does not answer at once.
    timer: Option<BoxFuture<'static, ()>>,
}

impl Alarm {
    pub(super) fn set(shared: &Arc<Shared>, resources: Option<&ResourceSet>, node: usize) -> Self {
        Self(shared.onlookers.are_there().then(|| {
            let (shared, resources) = (Arc::clone(shared), resources.cloned());
            Box::new(Watching { shared, resources, node, timer: None })
        }))
    }

    /// The call has been polled, with this result.
    pub(super) fn see<T>(&mut self, result: &Poll<Result<T, NodeError>>, cx: &mut Context<'_>) {
        let Some(watching) = &mut self.0 else { return };
        match result {
            Poll::Pending => match watching.poll_late(cx) {
                Poll::Pending => return,
                Poll::Ready(Late::Yes) => watching.tell_late(),
                Poll::Ready(Late::Unknown) => {}
            },
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => watching.tell(error),
        }
        self.0 = None;
    }
}

enum Late {
    Yes,
    /// There are no timers here.
    Unknown,
}

impl Watching {
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        let Self { shared, timer, .. } = self;
        // The timer may be one of a runtime that has ended since, and panics then; but the call is
        // to be finished.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let timer = timer.get_or_insert_with(|| {
                let timeout = shared.longest_node_timeout();
                shared.runtime.sleep_until(shared.now().after(timeout))
            });
            timer.poll_unpin(cx)
        }));
        polled.map_or(Poll::Ready(Late::Unknown), |polled| polled.map(|()| Late::Yes))
    }

    fn tell_late(&self) {
        if let Some(label) = self.shared.labels.get(self.node) {
            let timeout = self.shared.longest_node_timeout();
            self.tell(&NodeError::timed_out(Arc::clone(label), timeout));
        }
    }

    fn tell(&self, error: &NodeError) {
        let event = NodeFailed { resources: self.resources.as_ref(), error };
        self.shared.onlookers.tell(|observer| observer.node_failed(&event));
    }
}
