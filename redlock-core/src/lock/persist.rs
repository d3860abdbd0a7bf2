use std::{future::Future, sync::Arc, time::Duration};

use futures::future::{BoxFuture, Either, select};

use super::{
    calls::Timer,
    contender::Contender,
    error::Error,
    queue::{Entered, Turn},
    report::{Action, Report},
    settings::Terms,
    shared::Shared,
};
use crate::{
    Retry,
    proto::{Moment, Pace, Tally},
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
        let (mut last, mut next) = (None, None);
        let turn = match Turn::enter(&shared.queues, &terms.resources) {
            Entered::Now(turn) => turn,
            Entered::Behind(mut queued) => {
                let (mut look, mut is_held_up) = (shared.now().after(LOOK), false);
                let mut ask_at = at_least_every.map(|every| shared.now().after(every));
                loop {
                    terms.quest.waits();
                    let now = shared.now();
                    if next.is_none_or(|next| next <= now) {
                        next = match pace.last_start() {
                            Some(last) => Some(last).filter(|last| *last > now),
                            // A policy without pauses passes no faster than with attempts in between.
                            None => pace
                                .next(now, shared.chance())
                                .map(|next| next.max(now.after(LEAST_PASS))),
                        };
                    }
                    let Some(next) = next else {
                        let last =
                            last.or_else(|| queued.failure()?.downcast_ref::<Error>().cloned());
                        return Err(last.unwrap_or_else(|| self.never_asked()));
                    };
                    let wakes_at = ask_at.map_or(look, |ask_at| ask_at.min(look)).min(next);
                    let beside = select(beside(), Timer::new(shared, wakes_at));
                    let asks = match select(&mut queued, beside).await {
                        Either::Left((turn, _)) => break turn,
                        Either::Right((Either::Left(_), _)) => true,
                        // Whoever has the turn may not be polled, or his release not be carried out,
                        // so the next in the queue looks for himself now and then.
                        Either::Right((Either::Right(_), _)) => {
                            let now = shared.now();
                            if ask_at.is_some_and(|ask_at| now >= ask_at) {
                                true
                            } else if now >= look {
                                let before = is_held_up;
                                is_held_up = queued.is_held_up(IDLE);
                                // Twice, for this whole process may have stood still, and whoever has
                                // the turn goes on like everybody else.
                                look =
                                    now.after(if is_held_up && !before { SHORTLY } else { LOOK });
                                before && is_held_up
                            } else {
                                false
                            }
                        }
                    };
                    if !asks {
                        continue;
                    }
                    match once(deadline, None).await {
                        Err(error) if goes_on_after(&error) => last = Some(error),
                        done => {
                            if done.is_ok() {
                                queued.took();
                            }
                            return done;
                        }
                    }
                    ask_at = at_least_every.map(|every| shared.now().after(every));
                }
            }
        };
        let others_first = turn.not_before();
        // Mostly nobody comes first, and nothing depends on the time.
        let is_to_wait = next.is_some() || others_first > Moment::ORIGIN;
        let now = if is_to_wait { shared.now() } else { others_first };
        // The pause of the policy that has begun in the queue goes on: a turn that comes within it
        // is reason for an attempt that does not count.
        let mut poll = next.filter(|next| deadline.is_none() && *next > now);
        if others_first > now {
            terms.quest.waits();
            // Who goes by the policy steps back for one of its pauses at the most.
            let latest = pace.last_start().unwrap_or_else(|| {
                poll = poll.or_else(|| pace.next(now, shared.chance()));
                poll.unwrap_or(now)
            });
            shared.runtime.sleep_until(others_first.min(latest)).await;
        }
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

    /// Others of this process had the lock, or asked for it and met others, the whole time.
    fn never_asked(&self) -> Error {
        let tally = Tally::unasked(self.shared.quorum);
        let (action, resources) = (Action::Acquire, &self.terms.resources);
        let report = Report::new(self.shared, action, resources, tally, Vec::new(), Duration::ZERO);
        Error::Contended(Box::new(report))
    }
}

/// How often the next in a queue sees whether he is held up, and then looks for himself.
const LOOK: Duration = Duration::from_secs(5);

/// A policy without pauses passes no faster than this in the queue.
const LEAST_PASS: Duration = Duration::from_millis(1);

/// When he looks a second time.
const SHORTLY: Duration = Duration::from_millis(500);

/// Whoever has the turn and is as late as this is not coming: he is not polled, or cannot release.
const IDLE: Duration = Duration::from_secs(5);

fn timed_out(terms: &Terms, patience: Duration, last: Error) -> Error {
    if !last.is_worth_a_retry() {
        return last;
    }
    Error::TimedOut { resources: terms.resources.clone(), patience, last: Box::new(last) }
}
