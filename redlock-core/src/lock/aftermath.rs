use std::{sync::Arc, task::Poll, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use smallvec::SmallVec;

use super::{
    alarm::Alarm,
    calls::{Answer, Ask, Claim, Timer, call},
    in_flight::{COMMON, InFlight},
    shared::Shared,
};
use crate::proto::{Ballot, Moment, NodeSet, Undo, UndoStep};

/// Calls that nobody waits for any more: finishes them, and undoes what they turn out to have done.
pub(super) struct Aftermath {
    pub(super) shared: Arc<Shared>,
    pub(super) claim: Arc<Claim>,
    pub(super) calls: InFlight<Answer>,
    /// The nodes of the calls.
    pub(super) outstanding: NodeSet,
    /// When to stop waiting for them: by then a node has forgotten what reached it in time.
    pub(super) give_up: Moment,
    /// How long a node keeps what a call has set, which may be at the very moment it returns.
    pub(super) lifetime: Duration,
    /// How to undo it: [`Ask::Release`] or [`Ask::ReleaseAndTell`].
    pub(super) release: Ask,
}

/// What is to be done about a node whose call has returned late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Forget,
    Release,
}

impl Aftermath {
    /// Waits for each call and asks `fate` what to do about its node. A release follows the call
    /// that it undoes and so cannot overtake it (DESIGN §5.4).
    ///
    /// A call that has not returned when it is time to give up counts as failed: its node is then
    /// asked once more, and left to the ttl.
    pub(super) async fn settle(self, mut fate: impl FnMut(usize, Ballot) -> Fate) {
        let Self { shared, claim, mut calls, mut outstanding, give_up, lifetime, release } = self;
        let mut waiting: SmallVec<[_; COMMON]> =
            outstanding.iter().map(|node| (node, shared.backlog.join(node))).collect();
        let full = outstanding.iter().any(|node| shared.backlog.is_full(node));
        let mut timer =
            Timer::new(&shared, if full { shared.soon().min(give_up) } else { give_up });
        let mut undoing = InFlight::default();
        let mut undo = |node, ballot, until| {
            let undone = fate(node, ballot) == Fate::Release;
            undone.then(|| {
                undo(Arc::clone(&shared), Arc::clone(&claim), node, until, release).boxed()
            })
        };
        std::future::poll_fn(|cx| {
            let returned = loop {
                match calls.poll_next(cx) {
                    Poll::Ready(Some(answer)) => {
                        outstanding.remove(answer.node);
                        waiting.retain(|(node, _)| *node != answer.node);
                        let forgotten = give_up.max(shared.now().after(lifetime));
                        undoing.extend(undo(answer.node, answer.ballot(), forgotten));
                    }
                    Poll::Ready(None) => break Poll::Ready(()),
                    Poll::Pending => break Poll::Pending,
                }
            };
            while let Poll::Ready(Some(())) = undoing.poll_next(cx) {}
            if returned.is_ready() { returned } else { timer.poll_unpin(cx) }
        })
        .await;
        drop((calls, waiting));
        let last_try = shared.now().after(shared.longest_node_timeout());
        undoing
            .extend(outstanding.iter().filter_map(|node| undo(node, Ballot::TIMED_OUT, last_try)));
        while std::future::poll_fn(|cx| undoing.poll_next(cx)).await.is_some() {}
    }
}

/// Asks all these nodes to release, until each has answered or must have forgotten.
pub(super) async fn undo_all(
    shared: Arc<Shared>,
    claim: Arc<Claim>,
    nodes: NodeSet,
    give_up: Moment,
    release: Ask,
) {
    let undoing = nodes
        .iter()
        .map(|node| undo(Arc::clone(&shared), Arc::clone(&claim), node, give_up, release));
    undoing.collect::<FuturesUnordered<_>>().collect::<()>().await;
}

async fn undo(shared: Arc<Shared>, claim: Arc<Claim>, place: usize, give_up: Moment, release: Ask) {
    let Some(node) = shared.nodes.get(place) else {
        return;
    };
    let _waiting = shared.backlog.join(place);
    let mut undo = Undo::between(shared.now(), give_up);
    loop {
        let full = shared.backlog.is_full(place);
        let give_up = if full { shared.soon().min(undo.give_up()) } else { undo.give_up() };
        let alarm = Alarm::set(&shared, Some(&claim.resources), place);
        let release = call(node, place, &claim, release, None, alarm);
        let give_up = Timer::new(&shared, give_up);
        let Either::Left((answer, _)) = select(std::pin::pin!(release), give_up).await else {
            return;
        };
        match undo.answered(answer.ballot(), shared.now()) {
            UndoStep::Done => return,
            UndoStep::AskAgain(_) if full => return,
            UndoStep::AskAgain(at) => shared.runtime.sleep_until(at).await,
        }
    }
}

/// Work that the caller does himself for as long as he has time, and the reaper finishes.
pub(super) struct OrReaper {
    shared: Arc<Shared>,
    work: Option<BoxFuture<'static, ()>>,
}

impl OrReaper {
    pub(super) fn new(shared: &Arc<Shared>, work: BoxFuture<'static, ()>) -> Self {
        Self { shared: Arc::clone(shared), work: Some(work) }
    }

    /// Does the work until it is done or `deadline` has come.
    ///
    /// # Cancel safety
    ///
    /// Whatever is not done when the future is dropped is done by the reaper.
    pub(super) async fn until(mut self, deadline: Moment) {
        let timer = Timer::new(&self.shared, deadline);
        if let Some(work) = &mut self.work
            && let Either::Left(_) = select(work, timer).await
        {
            self.work = None;
        }
    }
}

impl Drop for OrReaper {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.shared.reaper.take_boxed(work);
        }
    }
}
