use std::{sync::Arc, time::Duration};

use redlock_core::{Delivery, FailureKind, NodeError, Vote};

use crate::{Command, Exchange, Item, Reply, Trouble, ask, exchange::Both};

/// What must have happened to a vote before it counts, for servers that have replicas or a log.
///
/// The server is asked by `WAIT` or `WAITAOF`, right behind each vote, extension and raise, on the
/// same connection. Until it has answered, for as long as the [time](Self::replicated) that is
/// given here, **the server answers nothing else on that connection**: all locks of a node wait.
/// A vote that did not get there in time is an error, and is released.
///
/// It makes it less likely that a vote is lost by a fail-over, and not impossible: a replica without
/// it may be promoted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    what: What,
    replicas: u32,
    within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Received,
    Written,
}

impl Durability {
    /// So many replicas have received it (`WAIT`, Redis 3.0) within this time, which must be
    /// shorter than the response timeout of the node and the node timeout of the lock.
    #[must_use]
    pub const fn replicated(replicas: u32, within: Duration) -> Self {
        Self { what: What::Received, replicas, within }
    }

    /// The server has written it to its disk, and so have so many replicas to theirs (`WAITAOF`,
    /// Redis 7.2 or Valkey, with `appendonly` on), within this time.
    #[must_use]
    pub const fn written(replicas: u32, within: Duration) -> Self {
        Self { what: What::Written, replicas, within }
    }

    /// At least a millisecond: zero would be without end.
    fn millis(self) -> u64 {
        u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
    }

    /// Whether an answer to the question tells that all is well.
    fn is_met(self, answer: &Reply) -> Option<bool> {
        let enough = |count: i64| count >= i64::from(self.replicas);
        match (self.what, answer) {
            (What::Received, Reply::Int(replicas)) => Some(enough(*replicas)),
            (What::Written, Reply::List(items)) => match items.as_slice() {
                [Item::Int(here), Item::Int(replicas)] => Some(*here >= 1 && enough(*replicas)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An exchange that asks behind each command that matters what has become of it.
pub(crate) struct Durably<'a, E> {
    server: &'a mut E,
    durability: Option<Durability>,
    became: Option<Result<Reply, Trouble>>,
}

impl<'a, E: Exchange> Durably<'a, E> {
    pub(crate) const fn new(server: &'a mut E, durability: Option<Durability>) -> Self {
        Self { server, durability, became: None }
    }

    /// The vote, if it counts. One that was refused has nothing to lose.
    pub(crate) fn confirm(self, vote: Vote) -> Result<Vote, NodeError> {
        let (Vote::Granted { .. }, Some(durability)) = (vote, self.durability) else {
            return Ok(vote);
        };
        let label = self.server.label();
        let lost = |error: NodeError| Err(error.with_delivery(Delivery::Unknown));
        match self.became {
            Some(Ok(answer)) => match durability.is_met(&answer) {
                Some(true) => Ok(vote),
                Some(false) => {
                    let error = NodeError::new(Arc::clone(label), FailureKind::Other);
                    lost(error.with_source(NotDurable(durability.within)))
                }
                None => lost(ask::odd_answer(label)),
            },
            Some(Err(trouble)) => lost(trouble.into()),
            None => Ok(vote),
        }
    }
}

impl<E: Exchange> Exchange for Durably<'_, E> {
    fn label(&self) -> &Arc<str> {
        self.server.label()
    }

    async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
        let Some(durability) = self.durability.filter(|_| command.takes_or_keeps()) else {
            return self.server.send(command).await;
        };
        Box::pin(self.send_and_ask(command, durability)).await
    }

    async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
        self.server.send_both(first, second).await
    }
}

impl<E: Exchange> Durably<'_, E> {
    async fn send_and_ask(
        &mut self,
        command: Command<'_>,
        durability: Durability,
    ) -> Result<Reply, Trouble> {
        let (replicas, millis) = (u64::from(durability.replicas), durability.millis());
        let (received, written) = ([replicas, millis], [1, replicas, millis]);
        let question = match durability.what {
            What::Received => Command::wait(command.key(), &received),
            What::Written => Command::wait_aof(command.key(), &written),
        };
        let (answer, became) = self.server.send_both(command, question).await;
        self.became = Some(became);
        answer
    }
}

/// The node cannot tell what has become of a vote.
pub(crate) fn unsupported(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Unsupported)
        .with_delivery(Delivery::NotSent)
        .with_source("a cluster cannot tell whether a vote has reached replicas")
}

#[derive(Debug, thiserror::Error)]
#[error("the vote did not reach as many replicas or disks as it must within {0:?}")]
struct NotDurable(Duration);

/// An hour in milliseconds.
const LONGEST: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_replicas_and_the_own_disk() {
        let list = |here, there| Reply::List(vec![Item::Int(here), Item::Int(there)]);
        let within = Duration::from_millis(50);
        let received = Durability::replicated(2, within);
        let written = Durability::written(1, within);
        for (durability, answer, met) in [
            (received, Reply::Int(1), Some(false)),
            (received, Reply::Int(2), Some(true)),
            (received, Reply::Int(3), Some(true)),
            (received, list(1, 2), None),
            (written, list(1, 1), Some(true)),
            (written, list(0, 1), Some(false)),
            (written, list(1, 0), Some(false)),
            (written, Reply::Int(2), None),
        ] {
            assert_eq!(durability.is_met(&answer), met, "{durability:?} {answer:?}");
        }
        assert_eq!(Durability::replicated(1, Duration::ZERO).millis(), 1);
        assert_eq!(Durability::replicated(1, Duration::MAX).millis(), LONGEST);
    }
}
