//! Votes on several resources at once.

use std::sync::Arc;

use redlock_core::{Announced, NodeError, ResourceSet, Token, Ttl, Vote};

use super::Voting;
use crate::{Audience, Exchange, durability::Durably, quarantine, sets};

impl Voting {
    /// Whether several resources can be taken at once: not under a quarantine, whose script takes
    /// one.
    #[must_use]
    pub fn takes_sets(&self) -> bool {
        !self.quarantine.is_on()
    }

    /// Takes every resource for this token, or none: one script.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot; if it is a cluster
    /// in which the resources do not share a slot, or a server that could be in quarantine.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn acquire_all(
        &self,
        server: &mut impl Exchange,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.check_set(server.label(), resources)?;
        let mut durably = Durably::new(server, self.terms.durability);
        let vote = sets::acquire_all(&mut durably, resources, token, ttl).await?;
        durably.confirm(vote)
    }

    /// Keeps every resource for at least `ttl` from now, if the token has all of them: one script.
    ///
    /// # Errors
    ///
    /// As [`acquire_all`](Self::acquire_all).
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn extend_all(
        &self,
        server: &mut impl Exchange,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.check_set(server.label(), resources)?;
        let mut durably = Durably::new(server, self.terms.durability);
        let vote = sets::extend_all(&mut durably, resources, token, ttl).await?;
        durably.confirm(vote)
    }

    /// Gives up what this token has of them: one script. To an audience, if there is one, that is
    /// told in the same step on the [`Channel`](crate::Channel) of each.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot; if it is a cluster
    /// in which the resources do not share a slot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn release_all(
        &self,
        server: &mut impl Exchange,
        resources: &ResourceSet,
        token: &Token,
        audience: Option<Audience>,
    ) -> Result<Announced, NodeError> {
        self.check_slots(server.label(), resources)?;
        sets::release_all(server, resources, token, audience).await
    }

    fn check_set(&self, label: &Arc<str>, resources: &ResourceSet) -> Result<(), NodeError> {
        self.check_durability(label)?;
        if !self.takes_sets() {
            return Err(quarantine::one_at_a_time(label));
        }
        self.check_slots(label, resources)
    }

    fn check_slots(&self, label: &Arc<str>, resources: &ResourceSet) -> Result<(), NodeError> {
        match self.audience {
            Audience::Server => Ok(()),
            Audience::Cluster => sets::in_one_slot(label, resources),
        }
    }
}
