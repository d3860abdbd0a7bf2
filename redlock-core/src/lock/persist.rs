use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::future::{BoxFuture, Either, select};

use super::{
    calls::Timer,
    ears::{Ears, Word},
    error::Error,
    queue::{Entered, Turn},
    report::{Action, Report},
    settings::Terms,
    shared::Shared,
};
use crate::{
    Retry,
    proto::{
        Fingerprint, Moment, Obstacle, Outlook, Pace, Tally, Wait,
        mutant::{self, Mutant},
    },
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
        let report = Report::new(self.shared, action, resources, &tally, &[], Duration::ZERO);
        Error::Contended(Box::new(report))
    }
}

/// The one of this process who asks the nodes for a resource.
struct Contender<'a> {
    shared: &'a Arc<Shared>,
    terms: &'a Terms,
    turn: Turn,
    /// What he hears from the nodes, once he has reason to listen.
    ears: Option<Ears>,
    /// When to ask in any case.
    poll: Option<Moment>,
    splits: u32,
    /// How many times in a row he was told of a release and came too late.
    in_vain: u32,
    past: Option<Fingerprint>,
}

impl<'a> Contender<'a> {
    fn new(shared: &'a Arc<Shared>, terms: &'a Terms, turn: Turn, poll: Option<Moment>) -> Self {
        let mut ears = turn.ears();
        if let Some(ears) = &mut ears {
            ears.forget();
        }
        Self { shared, terms, turn, ears, poll, splits: 0, in_vain: 0, past: None }
    }

    /// Waits after an attempt that ended with this error. `false` if the time for attempts is
    /// over.
    async fn wait(&mut self, error: &Error, pace: &mut Pace, ask_at: Option<Moment>) -> bool {
        let (shared, now) = (self.shared, self.shared.now());
        if self.poll.is_none_or(|poll| poll <= now) {
            self.poll = pace.next(now, shared.chance());
        }
        let Some(poll) = self.poll else { return false };
        let latest = pace.last_start();
        if latest.is_some_and(|latest| latest <= now) {
            return false;
        }
        let Error::Contended(report) = error else {
            // Nodes that do not answer do not tell when they will.
            self.turn.rests_until(poll);
            shared.runtime.sleep_until(poll).await;
            return true;
        };
        self.turn.used();
        let tally = report.tally();
        self.splits = if Obstacle::of(&tally) == Obstacle::Split { self.splits + 1 } else { 0 };
        let enough = shared.quorum.blocking();
        let ears = match &mut self.ears {
            Some(ears) => ears,
            none => {
                let ears = none.insert(Ears::open(&shared.hearing, &self.terms.resources));
                ears.settle(&shared.hearing, enough, now.after(self.terms.node_timeout).min(poll))
                    .await;
                // What was given up before somebody listened is told to nobody, so the attempt that
                // is slept on is made afterwards (requirement R48).
                if ears.live() > 0 && !mutant::is(Mutant::ListensTooLate) {
                    return true;
                }
                ears
            }
        };
        if mutant::is(Mutant::LateWordForgotten) {
            ears.forget();
        }
        let hears = ears.live() >= enough;
        let outlook = Outlook {
            now,
            poll,
            // Who tries by the policy wants his attempts when the policy says so.
            hears: hears && latest.is_some(),
            latest: latest.unwrap_or(Moment::at(Duration::MAX)),
            round_trip: shared.round_trip(),
            splits: self.splits,
            in_vain: self.in_vain,
            past: self.past,
            random: shared.chance(),
        };
        let mut wait = Wait::after(&tally, outlook);
        let due = |wait: &Wait| ask_at.map_or(wait.due(), |ask_at| ask_at.min(wait.due()));
        self.turn.rests_until(due(&wait));
        let mut heard = hears;
        while due(&wait) > shared.now() {
            let timer = Timer::new(shared, due(&wait));
            let Either::Left(((node, word), _)) = select(pin!(ears.next()), timer).await else {
                break;
            };
            let (now, hears) = (shared.now(), ears.live() >= enough);
            match word {
                Word::Notice(notice) => wait.heard(node, notice, now),
                Word::Listening if hears && !heard => wait.missed(now),
                Word::Deaf if heard && !hears => wait.look_by(poll),
                Word::Listening | Word::Deaf => {}
            }
            heard = hears;
        }
        self.past = wait.past();
        self.in_vain += u32::from(wait.is_told());
        true
    }
}

impl Drop for Contender<'_> {
    fn drop(&mut self) {
        if let Some(ears) = self.ears.take() {
            self.turn.leave_ears(ears);
        }
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
