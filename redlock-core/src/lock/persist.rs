use std::{future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    behind::{Behind, Next},
    contender::Contender,
    error::Error,
    queue::{Entered, Turn},
    settings::Terms,
    shared::Shared,
};
use crate::{
    Retry,
    proto::{Moment, Pace},
};

/// What somebody wants who does not give up after the first attempt.
pub(super) struct Persistence<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) terms: &'a Terms,
    pub(super) retry: Retry,
    /// How long he goes on; by the retry policy if nothing is said.
    pub(super) patience: Option<Duration>,
    /// How long he goes without asking the nodes at the most, whoever else has the lock or the
    /// turn; as long as it takes, if nothing is said.
    pub(super) at_least_every: Option<Duration>,
    /// With which failure of an attempt he goes on.
    pub(super) goes_on_after: fn(&Error) -> bool,
}

impl Persistence<'_> {
    /// Makes attempts until one succeeds, by the retry policy or for as long as the patience lasts:
    /// when it is his turn in this process, and then when the nodes tell of a release, when the
    /// holder's time is over, or when the policy says so.
    ///
    /// `once` is one attempt; it ends by the deadline that it is given, and keeps the turn if it
    /// succeeds. `beside` completes when that is worth an attempt without a turn.
    pub(super) async fn persist<T, F>(
        self,
        once: impl Fn(Option<Moment>, Option<Turn>) -> F,
        beside: impl Fn() -> BoxFuture<'static, ()>,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Some(patience) = self.patience else {
            if self.retry.is_single() {
                return once(None, Turn::enter_alone(&self.shared.queues, &self.terms.resources))
                    .await;
            }
            let pace = Pace::by_policy(self.retry);
            return self.go_on(None, pace, once, beside).await;
        };
        let (shared, terms) = (self.shared, self.terms);
        let done = if patience.is_zero() {
            once(None, Turn::enter_alone(&shared.queues, &terms.resources)).await
        } else {
            let deadline = shared.now().after(patience);
            // What the last attempt needs: all that nodes may take, unless that would eat the
            // patience.
            let reserve = terms.node_timeout.min(patience / 2);
            let pace = Pace::until(deadline, reserve, self.retry);
            self.go_on(Some(deadline), pace, once, beside).await
        };
        done.map_err(|error| timed_out(terms, patience, error))
    }

    async fn go_on<T, F>(
        self,
        deadline: Option<Moment>,
        mut pace: Pace,
        once: impl Fn(Option<Moment>, Option<Turn>) -> F,
        beside: impl Fn() -> BoxFuture<'static, ()>,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Self { shared, terms, at_least_every, goes_on_after, .. } = self;
        let (turn, pause) = match Turn::enter(&shared.queues, &terms.resources) {
            Entered::Now(turn) => (turn, None),
            Entered::Behind(queued) => {
                let mut behind = Behind::new(shared, terms, queued, at_least_every);
                loop {
                    match behind.next(&mut pace, &beside).await {
                        Next::Turn(turn) => break (turn, behind.begun()),
                        Next::GiveUp => return Err(behind.error()),
                        Next::Ask => {}
                    }
                    match once(deadline, None).await {
                        Err(error) if goes_on_after(&error) => behind.failed(error),
                        done => {
                            if done.is_ok() {
                                behind.took();
                            }
                            return done;
                        }
                    }
                }
            }
        };
        // The pause of the policy that has begun in the queue goes on: a turn that comes within it
        // is reason for an attempt that does not count.
        let pause = pause.filter(|_| deadline.is_none());
        let poll = let_others_first(shared, terms, &turn, &mut pace, pause).await;
        let mut contender = Contender::new(shared, terms, turn, poll);
        loop {
            let error = match once(deadline, Some(contender.turn.clone())).await {
                Err(error) if goes_on_after(&error) => error,
                done => return done,
            };
            contender.turn.failed(match &error {
                Error::Contended(_) => None,
                failure => Some(Arc::new(failure.clone())),
            });
            terms.quest.waits();
            let ask_at = at_least_every.map(|every| shared.now().after(every));
            if !contender.wait(&error, &mut pace, ask_at).await {
                return Err(error);
            }
        }
    }
}

/// Waits until those have had their chance who were told that the lock is free. Tells the end of the
/// policy's pause that goes on, if one does.
async fn let_others_first(
    shared: &Shared,
    terms: &Terms,
    turn: &Turn,
    pace: &mut Pace,
    pause: Option<Moment>,
) -> Option<Moment> {
    let others_first = turn.not_before();
    if pause.is_none() && others_first == Moment::ORIGIN {
        // Mostly nobody comes first, and nothing depends on the time.
        return None;
    }
    let now = shared.now();
    let mut poll = pause.filter(|pause| *pause > now);
    if others_first > now {
        terms.quest.waits();
        // Who goes by the policy steps back for one of its pauses at the most.
        let latest = pace.last_start().unwrap_or_else(|| {
            poll = poll.or_else(|| pace.next(now, shared.chance()));
            poll.unwrap_or(now)
        });
        shared.runtime.sleep_until(others_first.min(latest)).await;
    }
    poll
}

fn timed_out(terms: &Terms, patience: Duration, last: Error) -> Error {
    if !last.is_worth_a_retry() {
        return last;
    }
    Error::TimedOut { resources: terms.resources.clone(), patience, last: Box::new(last) }
}
