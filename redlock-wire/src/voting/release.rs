//! Giving a resource up, also one whose acquire may still be carried out.

use std::time::Duration;

use redlock_core::{Announced, NodeError, Resource, Token, Vote};

use super::Voting;
use crate::{Audience, Command, Exchange, Here, Script, ask, counted, offset::Look};

impl Voting {
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
