use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};

use super::{agreement::Agreed, alarm::Alarm, in_flight::InFlight, shared::Shared};
use crate::{
    Announced, Delivery, FailureKind, Fence, Fencing, LockNode, NodeError, ResourceSet, Token, Ttl,
    Vote,
    proto::{Ballot, Moment, NodeSet},
};

/// What every call of one attempt names: the resource, or several, and the token that is this
/// attempt's own.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) resources: ResourceSet,
    pub(super) token: Token,
}

/// What a node is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Acquire(Ttl),
    /// And to count, from this number at least.
    AcquireCounted(Ttl, Fence),
    /// To raise its count to this.
    Raise(Fence),
    Extend(Ttl),
    /// Without telling anybody.
    Release,
    /// And those who wait are told, if the node can.
    ReleaseAndTell,
}

impl Ask {
    /// Whether a yes to it makes or keeps somebody the holder.
    const fn takes_or_keeps(self) -> bool {
        matches!(self, Self::Acquire(_) | Self::AcquireCounted(..) | Self::Extend(_))
    }
}

/// What a node's call returned.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) node: usize,
    pub(super) result: Result<Vote, NodeError>,
    /// How many were told, if that was asked for.
    pub(super) listeners: u32,
}

impl Answer {
    pub(super) fn ballot(&self) -> Ballot {
        match &self.result {
            Ok(vote) => Ballot::Cast(*vote),
            Err(error) => Ballot::Failed(error.failure()),
        }
    }
}

/// Calls to several nodes, under way at the same time, and the moment at which to stop waiting.
///
/// They own what they need, so that they can be finished by somebody else.
pub(super) struct Calls {
    in_flight: InFlight<Answer>,
    timer: Timer,
}

/// What happened to [`Calls`].
pub(super) enum Event {
    /// A call returned.
    Answered(Answer),
    /// The time is over, or every call has returned: there is nothing to wait for.
    Over,
}

/// Makes the calls; each begins when the result is first polled.
pub(super) fn ask(
    shared: &Arc<Shared>,
    nodes: NodeSet,
    claim: &Arc<Claim>,
    what: Ask,
    deadline: Moment,
) -> Calls {
    let in_flight = nodes.iter().filter_map(|node| {
        let alarm = Alarm::set(shared, Some(&claim.resources), node);
        let (asked, agreed) = (shared.nodes.get(node)?, shared.agreed.clone());
        Some(call(asked, node, claim, what, agreed, alarm).boxed())
    });
    Calls { in_flight: in_flight.collect(), timer: Timer::new(shared, deadline) }
}

/// One call to one node. A node that panics has failed like any other: it costs its vote, and what
/// it may have done is undone. One that must agree to something is asked to before its vote counts.
pub(super) fn call(
    node: &Arc<dyn LockNode>,
    place: usize,
    claim: &Arc<Claim>,
    what: Ask,
    agreed: Option<Arc<Agreed>>,
    mut alarm: Alarm,
) -> impl Future<Output = Answer> + Send + 'static + use<> {
    let (node, claim) = (Arc::clone(node), Arc::clone(claim));
    async move {
        let asked = async {
            let agreed = agreed.as_ref().filter(|_| what.takes_or_keeps());
            if let Some(asking) = agreed.and_then(|agreed| agreed.ask(place, &*node)) {
                asking.await?;
            }
            let announced = carry_out(&*node, &claim, what).await?;
            // It may have become another in between, which has not been asked.
            if let Vote::Granted { .. } = announced.vote
                && let Some(asking) = agreed.and_then(|agreed| agreed.ask(place, &*node))
            {
                asking.await.map_err(|error| error.with_delivery(Delivery::Unknown))?;
            }
            Ok(announced)
        };
        // Nothing of the node's is looked at after a panic but its label.
        let result = {
            let mut asked = pin!(AssertUnwindSafe(asked).catch_unwind());
            let poll = |cx: &mut Context<'_>| {
                let result = asked.as_mut().poll(cx).map(|result| {
                    result.unwrap_or_else(|_| {
                        let error = NodeError::new(node.label(), FailureKind::Other);
                        Err(error.with_source("the node panicked"))
                    })
                });
                alarm.see(&result, cx);
                result
            };
            std::future::poll_fn(poll).await
        };
        let listeners = result.as_ref().map_or(0, |announced| announced.listeners);
        Answer { node: place, result: result.map(|announced| announced.vote), listeners }
    }
}

async fn carry_out(node: &dyn LockNode, claim: &Claim, what: Ask) -> Result<Announced, NodeError> {
    let Claim { resources, token } = claim;
    let Some(resource) = resources.only() else {
        return call_for_all(node, resources, token, what).await;
    };
    let vote = match what {
        Ask::Acquire(ttl) => node.acquire(resource, token, ttl).await?,
        Ask::AcquireCounted(ttl, hint) => {
            fencing(node)?.acquire_counted(resource, token, ttl, hint).await?
        }
        Ask::Raise(fence) => fencing(node)?.raise(resource, token, fence).await?,
        Ask::Extend(ttl) => node.extend(resource, token, ttl).await?,
        Ask::ReleaseAndTell => match node.notifications() {
            Some(node) => return node.release_and_notify(resource, token).await,
            None => node.release(resource, token).await?,
        },
        Ask::Release => node.release(resource, token).await?,
    };
    Ok(Announced { vote, listeners: 0 })
}

/// The same for several resources at once, which no node does otherwise than for all of them.
async fn call_for_all(
    node: &dyn LockNode,
    resources: &ResourceSet,
    token: &Token,
    what: Ask,
) -> Result<Announced, NodeError> {
    let sets = node.sets().ok_or_else(|| unsupported(node))?;
    let vote = match what {
        Ask::Acquire(ttl) => sets.acquire_all(resources, token, ttl).await?,
        Ask::Extend(ttl) => sets.extend_all(resources, token, ttl).await?,
        Ask::Release => sets.release_all(resources, token).await?,
        Ask::ReleaseAndTell => return sets.release_all_and_notify(resources, token).await,
        // A set has no fencing token: asking for one is an error of the settings.
        Ask::AcquireCounted(..) | Ask::Raise(_) => return Err(unsupported(node)),
    };
    Ok(Announced { vote, listeners: 0 })
}

/// A redlock whose nodes cannot all count has no fenced locks, so this fails for none.
fn fencing(node: &dyn LockNode) -> Result<&dyn Fencing, NodeError> {
    node.fencing().ok_or_else(|| unsupported(node))
}

fn unsupported(node: &dyn LockNode) -> NodeError {
    NodeError::new(node.label(), FailureKind::Unsupported).with_delivery(Delivery::NotSent)
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Waits for the next event. Answers that are there come before the end of the time.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an answer that was not returned is returned by the next call.
    pub(super) async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// An answer that can be had without waiting.
    pub(super) fn ready(&mut self) -> Option<Answer> {
        self.in_flight.ready()
    }

    /// The calls that have not returned, for somebody else to finish.
    pub(super) fn into_unfinished(self) -> InFlight<Answer> {
        self.in_flight
    }

    /// More calls, whose time is that of these.
    pub(super) fn join(&mut self, others: Self) {
        self.in_flight.extend(others.in_flight);
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match self.in_flight.poll_next(cx) {
            Poll::Ready(Some(answer)) => Poll::Ready(Event::Answered(answer)),
            Poll::Ready(None) => Poll::Ready(Event::Over),
            Poll::Pending => self.timer.poll_unpin(cx).map(|()| Event::Over),
        }
    }
}

/// A timer that is set only when somebody has to wait for it.
pub(super) struct Timer {
    shared: Arc<Shared>,
    deadline: Moment,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl Timer {
    pub(super) fn new(shared: &Arc<Shared>, deadline: Moment) -> Self {
        Self { shared: Arc::clone(shared), deadline, sleep: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, deadline, sleep } = &mut *self;
        sleep.get_or_insert_with(|| shared.runtime.sleep_until(*deadline)).poll_unpin(cx)
    }
}
