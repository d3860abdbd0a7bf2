mod of_sets;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redlock_core::{
    Announced, ClockStep, Delivery, Fence, NodeError, Resource, RestartPolicy, Token, Ttl, Vote,
};

use crate::{
    Audience, Command, Durability, Exchange, Here, Introduction, Reply, Script, ask,
    clock::ServerClock,
    counted::{self, Told, What},
    doubts::Doubts,
    durability::{self, Durably},
    offset::Look,
    quarantine::Quarantine,
    record::Record,
};

/// How a node votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long the counter of a resource is kept that nobody takes: a week, unless set.
    ///
    /// One that is gone begins anew from the server's clock, which is larger unless that was set
    /// back, or is behind those of the other servers, by longer than the counter was away. So this
    /// bounds how far clocks may be set back, and apart.
    pub counter_retention: Duration,
    /// What a node does after its server has restarted.
    pub restart: RestartPolicy,
    /// What a vote must have been through to count, if anything.
    pub durability: Option<Durability>,
}

impl Default for Terms {
    fn default() -> Self {
        let counter_retention = Duration::from_secs(7 * 24 * 3600);
        Self { counter_retention, restart: RestartPolicy::Trust, durability: None }
    }
}

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

    /// As [`acquire`](crate::acquire); in one script where the server may be in quarantine.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot, or is in quarantine.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn acquire(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.check_durability(server.label())?;
        if self.quarantine.is_on() {
            // Boxed, as all that is rare: the future of the plain way stays small.
            Box::pin(self.take(server, resource, token, ttl, None)).await
        } else if self.terms.durability.is_none() {
            ask::acquire(server, resource, token, ttl).await
        } else {
            let mut durably = Durably::new(server, self.terms.durability);
            let vote = Box::pin(ask::acquire(&mut durably, resource, token, ttl)).await?;
            durably.confirm(vote)
        }
    }

    /// As [`acquire`](Self::acquire), and counts: one script.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot, or is in quarantine,
    /// or was reached too late by its own clock.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown until a release answers.
    pub async fn acquire_counted(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        self.check_durability(server.label())?;
        self.take(server, resource, token, ttl, Some(hint)).await
    }

    async fn take(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Option<Fence>,
    ) -> Result<Vote, NodeError> {
        let now = Here::now();
        let sent = now.steady;
        self.quarantine.admit(server.label(), ttl)?;
        self.quarantine.enter(server.label(), sent)?;
        let latest = self.clock.after(self.patience, sent);
        let numbers = [
            latest.unwrap_or(0),
            hint.map_or(0, Fence::get),
            hint.map_or(0, |_| self.retention()),
            self.quarantine.micros(),
        ];
        let counter = hint.map(|_| counted::counter(resource));
        let epoch = self.quarantine.is_on().then(|| self.quarantine.epoch());
        let command = Command::script(Script::ACQUIRE, resource)
            .more_keys([counter.as_ref(), epoch])
            .token(token)
            .millis(ttl.as_millis())
            .numbers(&numbers);
        let under_way = self.doubts.begin(resource, token, latest, sent);
        let vote = self.run(server, command, now).await;
        if vote.as_ref().map_or_else(|error| error.delivery() != Delivery::Unknown, |_| true) {
            under_way.settle();
        }
        vote
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

    /// As [`extend`](crate::extend).
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot, or if the ttl is
    /// longer than its quarantine is for.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn extend(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.check_durability(server.label())?;
        self.quarantine.admit(server.label(), ttl)?;
        if self.terms.durability.is_none() {
            return ask::extend(server, resource, token, ttl).await;
        }
        let mut durably = Durably::new(server, self.terms.durability);
        let vote = Box::pin(ask::extend(&mut durably, resource, token, ttl)).await?;
        durably.confirm(vote)
    }

    /// Makes the counter at least `fence` if this token has the resource: one script.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown, which does no harm.
    pub async fn raise(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        self.check_durability(server.label())?;
        let numbers = [fence.get(), self.retention()];
        let counter = counted::counter(resource);
        let command = Command::script(Script::RAISE, resource)
            .more_keys([Some(&counter), None])
            .token(token)
            .numbers(&numbers);
        self.run(server, command, Here::now()).await
    }

    /// As [`release`](crate::release).
    ///
    /// While an acquire that was counted has no answer and may still be carried out, finding
    /// nothing to release is an error, so that it is asked for again (requirement R22).
    ///
    /// # Errors
    ///
    /// [`NodeError`] for that, or if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn release(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
    ) -> Result<Vote, NodeError> {
        let open = self.open(server, resource, token).await?;
        let vote = ask::release(server, resource, token).await?;
        self.close(open, server, resource, token, vote)?;
        Ok(vote)
    }

    /// As [`release_and_notify`](crate::release_and_notify), and [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn release_and_notify(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
        audience: Audience,
    ) -> Result<Announced, NodeError> {
        let open = self.open(server, resource, token).await?;
        let announced = ask::release_and_notify(server, resource, token, audience).await?;
        self.close(open, server, resource, token, announced.vote)?;
        Ok(announced)
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

    /// Whether an acquire of this claim may still be carried out, and for how long.
    ///
    /// Asked before the release, so that nothing can come between.
    async fn open(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        token: &Token,
    ) -> Result<Open, NodeError> {
        let Some(latest) = self.doubts.latest(resource, token) else { return Ok(Open::Nothing) };
        Box::pin(self.ask_for_the_time(server, resource, latest)).await
    }

    async fn ask_for_the_time(
        &self,
        server: &mut impl Exchange,
        resource: &Resource,
        latest: u64,
    ) -> Result<Open, NodeError> {
        let sent = Here::now();
        let clock = Command::script(Script::CLOCK, resource);
        let Some(micros) = counted::time(&ask::run(server, &clock).await?) else {
            return Err(ask::odd_answer(server.label()));
        };
        self.looked(Look { sent, received: Here::now(), shown: micros });
        if micros > latest {
            return Ok(Open::Over);
        }
        Ok(Open::For(Duration::from_micros(latest - micros)))
    }

    fn close(
        &self,
        open: Open,
        server: &impl Exchange,
        resource: &Resource,
        token: &Token,
        vote: Vote,
    ) -> Result<(), NodeError> {
        match (open, vote) {
            (Open::Nothing, _) => {}
            (Open::For(left), Vote::Refused(_)) => {
                return Err(counted::unsettled(server.label(), left));
            }
            // It was carried out, as nothing is twice; or it never will be.
            (Open::For(_) | Open::Over, _) => self.doubts.settle(resource, token),
        }
        Ok(())
    }

    fn retention(&self) -> u64 {
        let millis = self.terms.counter_retention.as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).clamp(1, LONGEST_RETENTION)
    }
}

/// What is known of an acquire before its release.
enum Open {
    /// None is in doubt.
    Nothing,
    /// It will not be carried out any more.
    Over,
    /// It may be, for so long.
    For(Duration),
}

/// What a request may take on its way beyond what the node waits for: it bounds how long a late one
/// can be carried out, so it may well be generous.
const MARGIN: Duration = Duration::from_millis(250);
/// Beyond that there is nothing to bound.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// A hundred years in milliseconds: sums with a ttl stay exact.
const LONGEST_RETENTION: u64 = 100 * 366 * 24 * 3600 * 1000;
