//! What every client expects of the lock, whatever goes wrong around it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use redlock_core::{Ballot, Error, Guard, Lease, NodeReport, Renewal, Vote};

use crate::actor::Actor;

/// When the caller of an operation loses interest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest {
    Lasting,
    Polls(u64),
    For(Duration),
}

impl Actor {
    /// To be called when all that was begun has ended and been cleaned up. Says nothing if another
    /// task of this client may be at work.
    pub(crate) fn look_for_orphans(&self, when: &str) {
        if !self.plan.clean_up_is_complete() || self.plan.tasks > 1 {
            return;
        }
        for node in &*self.nodes {
            if let Some(key) = node.keys().iter().find(|key| self.tokens.contains(&key.token)) {
                let name = self.name;
                self.watch.fail(format!("an orphan of client {name} {when}: {node:?} has {key:?}"));
            }
        }
    }

    /// The body of `run` must not be polled once its lock is over.
    pub(crate) async fn only_while_held(&self, lease: &Lease, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        let limit = lease.until().map(|until| until.after(self.plan.max_hold));
        poll_fn(|cx| {
            self.watch.polls(&self.client, self.name, (lease.resource(), lease.token()));
            let now = self.sim.at_once(|| self.client.now());
            let end = if self.plan.renewal == Renewal::off() { lease.until() } else { limit };
            // A stall between the look at the clock and the poll is nobody's fault.
            if self.plan.stalls == 0.0 && end.is_some_and(|end| now >= end) {
                self.watch.fail(format!("client {} runs its body without the lock", self.name));
            }
            work.as_mut().poll(cx)
        })
        .await;
    }

    /// A guard that is handed over is worth something (R5), unless the process stalled just then.
    pub(crate) fn expect_valid(&self, guard: &Guard) {
        if self.plan.stalls == 0.0 && !self.sim.at_once(|| guard.is_valid()) {
            self.watch.fail(format!("client {} was given a guard that is not valid", self.name));
        }
    }

    /// What has ended is not extended, and no node is asked to (R29).
    pub(crate) fn expect_nobody_asked(&self, error: &Error) {
        if !matches!(error, Error::Lost { report: None, .. }) {
            self.watch.fail(format!("client {} asked nodes to extend what is over", self.name));
        }
    }

    /// A lock that so many nodes do not have any more that no quorum can have it is lost (R32).
    pub(crate) fn expect_loss_if_certain(&self, error: &Error) {
        let refused = |node: &&NodeReport| matches!(node.ballot(), Ballot::Cast(Vote::Refused(_)));
        let certain = error.report().is_some_and(|report| {
            report.nodes().iter().filter(refused).count() >= report.quorum().blocking()
        });
        if certain && !matches!(error, Error::Lost { .. }) {
            self.watch.fail(format!("client {} has lost its lock and is not told", self.name));
        }
    }

    /// The operation, until the caller loses interest; it must end within the bound.
    pub(crate) async fn bounded<T>(
        &self,
        what: &str,
        interest: Interest,
        bound: Duration,
        operation: impl Future<Output = T>,
    ) -> Option<T> {
        let (start, steps, stalled) = (self.sim.now(), self.sim.steps(), self.sim.stalled());
        self.sim.note(format_args!("client {} begins to {what} {interest:?}", self.name));
        let result = self.interested(interest, operation).await;
        self.sim.note(format_args!("client {} ends to {what}", self.name));
        let (now, took) = (self.sim.now(), self.sim.now().since(start));
        let steps = u32::try_from(self.sim.steps() - steps).unwrap_or(u32::MAX);
        let hindered = self.sim.stalled() - stalled
            + self.freezes.of(self.name, start, now)
            + self.plan.step_time * steps;
        if took > bound + bound / 100 + hindered + Duration::from_micros(1) {
            let name = self.name;
            self.watch.fail(format!(
                "client {name} took {took:?} for {what} within {bound:?}, hindered {hindered:?}"
            ));
        }
        result
    }

    async fn interested<T>(
        &self,
        interest: Interest,
        operation: impl Future<Output = T>,
    ) -> Option<T> {
        let mut operation = pin!(operation);
        match interest {
            Interest::Lasting => Some(operation.await),
            Interest::Polls(most) => {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    match operation.as_mut().poll(cx) {
                        Poll::Ready(result) => Poll::Ready(Some(result)),
                        Poll::Pending if polls >= most => Poll::Ready(None),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await
            }
            Interest::For(time) => {
                let timer = pin!(self.client.sleep(time));
                match futures::future::select(operation, timer).await {
                    futures::future::Either::Left((result, _)) => Some(result),
                    futures::future::Either::Right(_) => None,
                }
            }
        }
    }

    pub(crate) fn interest(&self) -> Interest {
        match self.random().below(8) {
            0 => Interest::Polls(1 + self.random().below(12)),
            1 => Interest::For(
                self.random().between(Duration::ZERO, self.plan.network.longest_latency * 3),
            ),
            _ => Interest::Lasting,
        }
    }
}
