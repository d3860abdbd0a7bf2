//! Taking a resource, and keeping it.

use redlock_core::{Delivery, Fence, NodeError, Resource, Token, Ttl, Vote};

use super::Voting;
use crate::{Command, Exchange, Here, Script, ask, counted, durability::Durably};

impl Voting {
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
            hint.map_or(0, |_| self.terms.retention()),
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
        let numbers = [fence.get(), self.terms.retention()];
        let counter = counted::counter(resource);
        let command = Command::script(Script::RAISE, resource)
            .more_keys([Some(&counter), None])
            .token(token)
            .numbers(&numbers);
        self.run(server, command, Here::now()).await
    }
}
