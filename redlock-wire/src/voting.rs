mod hold;
mod of_sets;
mod release;
mod terms;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redlock_core::{ClockStep, Delivery, NodeError, Resource, Vote};

pub use self::terms::Terms;
use crate::{
    Audience, Command, Exchange, Here, Introduction, Reply, Script, ask,
    clock::ServerClock,
    counted::{self, Told, What},
    doubts::Doubts,
    durability::{self, Durably},
    offset::Look,
    quarantine::Quarantine,
    record::Record,
};

/// The calls of a lock, as one node makes them that counts votes, and remembers what that takes:
/// the server's clock, and which acquires may still be carried out.
///
/// An acquire that is counted tells the server until when it may be carried out (requirement R22):
/// what the server's clock will show, as far as the node knows, when it has stopped waiting. One
/// that comes later is refused there, and counts as the node's failure. So whoever releases what he
/// has no answer for can know when that is settled.
#[derive(Debug)]
pub struct Voting {
    terms: Terms,
    patience: Duration,
    audience: Audience,
    clock: ServerClock,
    doubts: Doubts,
    quarantine: Quarantine,
    record: Record,
}

impl Voting {
    /// For a node that waits so long for an answer of a server alone, or of those of a cluster.
    #[must_use]
    pub fn new(terms: Terms, patience: Duration, audience: Audience) -> Self {
        Self {
            terms,
            patience: patience.saturating_add(MARGIN).min(LONGEST_PATIENCE),
            audience,
            clock: ServerClock::default(),
            doubts: Doubts::default(),
            quarantine: Quarantine::new(terms.restart, audience),
            record: Record::default(),
        }
    }

    /// The key that a server's run is written down in.
    #[must_use]
    pub const fn epoch(&self) -> &Resource {
        self.quarantine.epoch()
    }

    /// The server has been connected to, and has told this of itself.
    pub fn met(&self, introduction: &Introduction) {
        self.record.met(introduction);
        if let Some(look) = introduction.look() {
            self.looked(look);
        }
    }

    /// What [`Witness::remembers`](redlock_core::Witness::remembers) tells: nothing of a server that
    /// is kept in quarantine.
    #[must_use]
    pub fn remembers(&self) -> Option<Duration> {
        if self.quarantine.is_on() { None } else { self.record.remembers() }
    }

    /// What [`Witness::clock_steps`](redlock_core::Witness::clock_steps) tells: nothing of a cluster,
    /// whose servers have many clocks.
    #[must_use]
    pub fn clock_steps(&self, heard: u64) -> Vec<ClockStep> {
        self.record.clock_steps(heard)
    }

    /// Tells whether the server votes, and if it may not yet, sees to it that it will: from this on,
    /// its time counts.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, cannot be kept in quarantine, or is in one.
    ///
    /// # Cancel safety
    ///
    /// Asked for again, it goes on where it was.
    pub async fn check(&self, server: &mut impl Exchange) -> Result<(), NodeError> {
        let sent = Here::now();
        if !self.quarantine.is_on() {
            return Ok(());
        }
        self.quarantine.enter(server.label(), sent.steady)?;
        let numbers = [self.quarantine.micros()];
        let command = Command::script(Script::EPOCH, self.quarantine.epoch()).numbers(&numbers);
        self.run(server, command, sent).await.map(drop)
    }

    /// A cluster has many connections, and the answer must come from the one of the vote.
    fn check_durability(&self, label: &Arc<str>) -> Result<(), NodeError> {
        match (self.terms.durability, self.audience) {
            (Some(_), Audience::Cluster) => Err(durability::unsupported(label)),
            _ => Ok(()),
        }
    }

    fn looked(&self, look: Look) {
        match self.audience {
            Audience::Server => {
                self.clock.told(look.shown, look.sent.steady);
                self.record.looked(look);
            }
            Audience::Cluster => self.clock.told_by_one_of_many(look.shown, look.sent.steady),
        }
    }

    async fn run(
        &self,
        server: &mut impl Exchange,
        command: Command<'_>,
        sent: Here,
    ) -> Result<Vote, NodeError> {
        let mut durably = Durably::new(server, self.terms.durability);
        let reply = ask::run(&mut durably, &command).await;
        let server = &durably;
        let received = Here::now();
        let reply = reply.map_err(|trouble| self.quarantine.error(server.label(), trouble))?;
        if let Some(Told { what, micros }) = counted::told(&reply) {
            self.looked(Look { sent, received, shown: micros });
            return match what {
                What::Vote(vote) => durably.confirm(vote),
                What::Stale => Err(counted::stale(server.label())),
                What::Quarantined { remaining, held } => {
                    let error = self.quarantine.told(server.label(), remaining, Instant::now());
                    // Then it is to be released.
                    Err(if held { error.with_delivery(Delivery::Unknown) } else { error })
                }
            };
        }
        // Of a key that is not this token's, raising tells no more than a release.
        match reply {
            Reply::Nil => Ok(Vote::not_held()),
            Reply::Int(left) => Ok(Vote::held_by_another(ask::remaining(left))),
            _ => Err(ask::odd_answer(server.label())),
        }
    }
}

/// What a request may take on its way beyond what the node waits for: it bounds how long a late one
/// can be carried out, so it may well be generous.
const MARGIN: Duration = Duration::from_millis(250);
/// Beyond that there is nothing to bound.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);
