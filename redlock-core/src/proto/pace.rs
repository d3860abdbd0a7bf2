use std::time::Duration;

use super::{Moment, Retry};

/// How long somebody goes on trying, and when he looks at the nodes if nothing brings him to look
/// sooner.
///
/// Without a deadline it is the retry policy that ends it: each pause that passes is an attempt of
/// the policy, whether it was spent in a queue, asleep, or with attempts in between that a notice
/// brought about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    retry: Retry,
    /// When the last attempt must begin, if time is what ends it.
    last_start: Option<Moment>,
    attempts: u32,
}

impl Pace {
    /// As often as the policy says.
    #[must_use]
    pub const fn by_policy(retry: Retry) -> Self {
        Self { retry, last_start: None, attempts: 0 }
    }

    /// For as long as that leaves nodes `reserve` to answer the last attempt before the deadline.
    #[must_use]
    pub fn until(deadline: Moment, reserve: Duration, retry: Retry) -> Self {
        let last_start = Some(deadline.before(reserve));
        Self { retry: retry.unlimited(), last_start, attempts: 0 }
    }

    /// An attempt of the policy has failed at `now`, or its turn has passed: when the next is to be
    /// made at the latest; `None` if that was the last.
    pub fn next(&mut self, now: Moment, random: u32) -> Option<Moment> {
        self.attempts = self.attempts.saturating_add(1);
        let pause = self.retry.pause(self.attempts, random)?.max(SHORTEST);
        match self.last_start {
            // Rather a shorter pause than an attempt that nodes have no time to answer.
            Some(last) => Some(now.after(pause).min(last)).filter(|next| *next > now),
            None => Some(now.after(pause)),
        }
    }

    /// When the last attempt must begin; `None` if only the policy says when it is over.
    #[must_use]
    pub const fn last_start(&self) -> Option<Moment> {
        self.last_start
    }
}

/// The pause of a policy that has none: nodes may answer at once, and whoever has the lock needs
/// the thread to give it up.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u32) -> Moment {
        Moment::ORIGIN.after(MS * millis)
    }

    #[test]
    fn the_policy_ends_after_its_attempts() {
        let retry = Retry::fixed(MS * 10).jitter(0.0).unwrap().attempts(3).unwrap();
        let mut pace = Pace::by_policy(retry);
        assert_eq!(pace.last_start(), None);
        assert_eq!(pace.next(at(0), 0), Some(at(10)));
        assert_eq!(pace.next(at(12), 0), Some(at(22)));
        assert_eq!(pace.next(at(22), 0), None);
        assert_eq!(pace.next(at(22), 0), None);
    }

    #[test]
    fn a_policy_without_pauses_makes_the_shortest() {
        let mut pace = Pace::by_policy(Retry::fixed(Duration::ZERO).attempts(2).unwrap());
        assert_eq!(pace.next(at(10), u32::MAX), Some(at(11)));
        assert_eq!(pace.next(at(11), 0), None);
    }

    #[test]
    fn a_deadline_ends_when_nodes_would_have_no_time_left() {
        let retry = Retry::fixed(MS * 40).jitter(0.0).unwrap().attempts(1).unwrap();
        let mut pace = Pace::until(at(100), MS * 30, retry);
        assert_eq!(pace.last_start(), Some(at(70)));
        assert_eq!(pace.next(at(0), 0), Some(at(40)), "however many attempts the policy has");
        assert_eq!(pace.next(at(40), 0), Some(at(70)), "a shorter pause for the last attempt");
        assert_eq!(pace.next(at(70), 0), None);
        let mut eager = Pace::until(at(100), MS * 30, Retry::none());
        assert_eq!(eager.next(at(0), 0), Some(at(1)), "a policy without pauses");
        let mut late = Pace::until(at(100), MS * 200, retry);
        assert_eq!(late.next(at(0), 0), None);
    }
}
