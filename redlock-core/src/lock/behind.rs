use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, Either, select};

use super::{
    calls::Timer,
    error::Error,
    queue::{Queued, Turn},
    report::{Action, Report},
    settings::Terms,
    shared::Shared,
};
use crate::proto::{Moment, Pace, Tally};

/// One who waits behind others of this process, and asks the nodes beside them now and then.
pub(super) struct Behind<'a> {
    shared: &'a Arc<Shared>,
    terms: &'a Terms,
    queued: Queued,
    /// How long he goes without asking at the most, and when that is over.
    at_least_every: Option<Duration>,
    ask_at: Option<Moment>,
    /// When he sees whether he is held up.
    look: Moment,
    /// Whether he was when he last did.
    is_held_up: bool,
    /// The end of the policy's pause that has begun.
    pause: Option<Moment>,
    /// Why the last attempt that he made himself failed.
    last: Option<Error>,
}

/// What one who waits behind others does next.
pub(super) enum Next {
    /// It is his turn.
    Turn(Turn),
    /// He asks the nodes all the same.
    Ask,
    /// He gives up: the time for attempts is over.
    GiveUp,
}

impl<'a> Behind<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        terms: &'a Terms,
        queued: Queued,
        at_least_every: Option<Duration>,
    ) -> Self {
        let look = shared.now().after(LOOK);
        let (is_held_up, pause, last) = (false, None, None);
        let ask_at = at_least_every.map(|every| shared.now().after(every));
        Self { shared, terms, queued, at_least_every, ask_at, look, is_held_up, pause, last }
    }

    /// Waits until there is something to do. `beside` completes when that is worth an attempt.
    pub(super) async fn next(
        &mut self,
        pace: &mut Pace,
        beside: &impl Fn() -> BoxFuture<'static, ()>,
    ) -> Next {
        loop {
            self.terms.quest.waits();
            let Some(pause) = self.pause(pace) else { return Next::GiveUp };
            let wakes_at = self.ask_at.map_or(self.look, |ask_at| ask_at.min(self.look)).min(pause);
            let beside = select(beside(), Timer::new(self.shared, wakes_at));
            match select(&mut self.queued, beside).await {
                Either::Left((turn, _)) => return Next::Turn(turn),
                Either::Right((Either::Left(_), _)) => return Next::Ask,
                Either::Right((Either::Right(_), _)) => {}
            }
            if self.is_to_ask() {
                return Next::Ask;
            }
        }
    }

    /// An attempt without a turn has failed, and he goes on.
    pub(super) fn failed(&mut self, error: Error) {
        self.last = Some(error);
        self.ask_at = self.at_least_every.map(|every| self.shared.now().after(every));
    }

    /// An attempt without a turn has succeeded.
    pub(super) fn took(&self) {
        self.queued.took();
    }

    /// The end of the policy's pause that has begun, which goes on when he has the turn.
    pub(super) const fn begun(&self) -> Option<Moment> {
        self.pause
    }

    /// Why he has not got the lock: why his own last attempt failed, or else that of whoever has the
    /// turn.
    pub(super) fn error(self) -> Error {
        let told = || self.queued.failure()?.downcast_ref::<Error>().cloned();
        self.last.or_else(told).unwrap_or_else(|| never_asked(self.shared, self.terms))
    }

    /// The end of the pause that has begun, or begins now; `None` if there are no more.
    fn pause(&mut self, pace: &mut Pace) -> Option<Moment> {
        let now = self.shared.now();
        if self.pause.is_none_or(|pause| pause <= now) {
            self.pause = match pace.last_start() {
                Some(last) => Some(last).filter(|last| *last > now),
                None => pace.next(now, self.shared.chance()),
            };
        }
        self.pause
    }

    /// Whether it is time to ask without a turn. Whoever has the turn may not be polled, or his
    /// release not be carried out, so the next in the queue looks for himself now and then.
    fn is_to_ask(&mut self) -> bool {
        let now = self.shared.now();
        if self.ask_at.is_some_and(|ask_at| now >= ask_at) {
            return true;
        }
        if now < self.look {
            return false;
        }
        let before = self.is_held_up;
        self.is_held_up = self.queued.is_held_up(IDLE);
        // Twice, for this whole process may have stood still, and whoever has the turn goes on like
        // everybody else.
        self.look = now.after(if self.is_held_up && !before { SHORTLY } else { LOOK });
        before && self.is_held_up
    }
}

/// Others of this process had the lock, or asked for it and met others, the whole time.
fn never_asked(shared: &Shared, terms: &Terms) -> Error {
    let tally = Tally::unasked(shared.quorum);
    let (action, resources) = (Action::Acquire, &terms.resources);
    let report = Report::new(shared, action, resources, tally, Vec::new(), Duration::ZERO);
    Error::Contended(Box::new(report))
}

/// How often the next in a queue sees whether he is held up, and then looks for himself.
const LOOK: Duration = Duration::from_secs(5);

/// When he looks a second time.
const SHORTLY: Duration = Duration::from_millis(500);

/// Whoever has the turn and is as late as this is not coming: he is not polled, or cannot release.
const IDLE: Duration = Duration::from_secs(5);
