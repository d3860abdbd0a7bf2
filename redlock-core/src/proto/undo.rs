use std::time::Duration;

use super::{
    Ballot, Moment,
    mutant::{self, Mutant},
};

/// Undoing one node's vote: asks it to release until it has answered, or must have forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Undo {
    give_up: Moment,
    pause: Duration,
}

/// What to do next about a vote that is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UndoStep {
    /// Nothing: the node answered, or there is no use in going on.
    Done,
    /// Ask the node to release again at this moment.
    AskAgain(Moment),
}

impl Undo {
    /// Undoing, from `now` on, a vote that the node has forgotten by itself at `give_up`.
    ///
    /// The pauses are in proportion, so that a short-lived vote is asked about more than once too.
    #[must_use]
    pub fn between(now: Moment, give_up: Moment) -> Self {
        let part = give_up.since(now).checked_div(16).unwrap_or_default();
        Self { give_up, pause: Self::FIRST_PAUSE.min(part) }
    }

    /// When there is no more use in asking.
    #[must_use]
    pub const fn give_up(self) -> Moment {
        self.give_up
    }

    /// The node answered a release, or failed to.
    pub fn answered(&mut self, ballot: Ballot, now: Moment) -> UndoStep {
        match ballot {
            Ballot::Cast(_) => UndoStep::Done,
            Ballot::Silent | Ballot::Unasked | Ballot::Failed(_) => {
                let next = now.after(self.pause);
                self.pause = self.pause.saturating_mul(2).min(Self::LONGEST_PAUSE);
                if next < self.give_up && !mutant::is(Mutant::UndoneOnce) {
                    UndoStep::AskAgain(next)
                } else {
                    UndoStep::Done
                }
            }
        }
    }

    const FIRST_PAUSE: Duration = Duration::from_millis(50);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Delivery, Failure, FailureKind, Vote};

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    #[test]
    fn any_answer_is_the_end_of_it() {
        for vote in [Vote::granted(), Vote::not_held(), Vote::held_by_another(None)] {
            assert_eq!(
                Undo::between(at(0), at(1000)).answered(Ballot::Cast(vote), at(0)),
                UndoStep::Done
            );
        }
    }

    #[test]
    fn failures_are_followed_by_longer_pauses_until_the_node_has_forgotten() {
        let failure = Failure { kind: FailureKind::Closed, delivery: Delivery::NotSent };
        let mut undo = Undo::between(at(0), at(4_000));
        let mut now = at(0);
        let mut asked = vec![];
        while let UndoStep::AskAgain(next) = undo.answered(Ballot::Failed(failure), now) {
            asked.push(next);
            assert!(next > now && asked.len() < 10, "without end: {asked:?}");
            now = next;
        }
        assert_eq!(asked, [50, 150, 350, 750, 1550, 2550, 3550].map(at));
        assert_eq!(undo.give_up(), at(4_000));

        let mut pointless = Undo::between(at(0), at(1_600));
        let step = pointless.answered(Ballot::Failed(failure), at(1_550));
        assert_eq!(step, UndoStep::Done);

        let mut short = Undo::between(at(0), at(80));
        let step = short.answered(Ballot::Failed(failure), at(0));
        assert_eq!(step, UndoStep::AskAgain(at(5)));
    }
}
