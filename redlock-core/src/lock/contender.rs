use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};

use super::{
    calls::Timer,
    ears::{Ears, Word},
    error::Error,
    queue::Turn,
    settings::Terms,
    shared::Shared,
};
use crate::proto::{
    Fingerprint, Moment, Obstacle, Outlook, Pace, Wait,
    mutant::{self, Mutant},
};

/// The one of this process who asks the nodes for a resource.
pub(super) struct Contender<'a> {
    shared: &'a Arc<Shared>,
    terms: &'a Terms,
    pub(super) turn: Turn,
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
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        terms: &'a Terms,
        turn: Turn,
        poll: Option<Moment>,
    ) -> Self {
        let mut ears = turn.ears();
        if let Some(ears) = &mut ears {
            ears.forget();
        }
        Self { shared, terms, turn, ears, poll, splits: 0, in_vain: 0, past: None }
    }

    /// Waits after an attempt that ended with this error. `false` if the time for attempts is
    /// over.
    pub(super) async fn wait(
        &mut self,
        error: &Error,
        pace: &mut Pace,
        ask_at: Option<Moment>,
    ) -> bool {
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
        self.splits = if Obstacle::of(tally) == Obstacle::Split { self.splits + 1 } else { 0 };
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
        let mut wait = Wait::after(tally, outlook);
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
