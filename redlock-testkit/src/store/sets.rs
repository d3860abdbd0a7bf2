//! Several keys at once: all of them or none.

use redlock_core::{Refusal, Resource, ResourceSet, Token, Ttl, Vote};

use super::Store;
use crate::clock::ServerTime;

impl Store {
    /// Sets what is free of these if the rest is this token's already.
    pub(crate) fn acquire_all(
        &mut self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
        now: ServerTime,
    ) -> Vote {
        if let Some(refusal) = self.in_the_way(resources, token, now) {
            return refusal;
        }
        for resource in resources {
            self.acquire(resource, token, ttl, now);
        }
        Vote::granted()
    }

    /// Makes all of these last longer if all are this token's.
    pub(crate) fn extend_all(
        &mut self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
        now: ServerTime,
    ) -> Vote {
        if let Some(refusal) = self.in_the_way(resources, token, now) {
            return refusal;
        }
        if !resources.iter().all(|resource| self.has_key(resource, now)) {
            return Vote::not_held();
        }
        for resource in resources {
            self.extend(resource, token, ttl, now);
        }
        Vote::granted()
    }

    /// Deletes those of these that are this token's, and tells which those were. A grant if all
    /// were.
    pub(crate) fn release_all<'a>(
        &mut self,
        resources: &'a ResourceSet,
        token: &Token,
        now: ServerTime,
    ) -> (Vote, Vec<&'a Resource>) {
        let (mut refusal, mut released) = (None, Vec::new());
        for resource in resources {
            match self.release(resource, token, now) {
                Vote::Granted { .. } => released.push(resource),
                // Who has it tells more than that nobody has.
                vote @ Vote::Refused(Refusal::HeldByAnother { .. }) => refusal = Some(vote),
                vote => refusal = refusal.or(Some(vote)),
            }
        }
        (refusal.unwrap_or(Vote::granted()), released)
    }

    /// The refusal of the first of these that is another's.
    fn in_the_way(
        &mut self,
        resources: &ResourceSet,
        token: &Token,
        now: ServerTime,
    ) -> Option<Vote> {
        let now = now.millis();
        resources.iter().find_map(|resource| {
            let entry = self.live(resource, now)?;
            (entry.token != *token).then(|| entry.refuse(now))
        })
    }
}
