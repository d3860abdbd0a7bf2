//! The node as one that counts holders, and what it does wrong with that.

use redlock_core::{Fence, Fencing, NodeError, Refusal, Resource, Token, Ttl, Vote, async_trait};

use crate::{defect::Defect::*, node::Node};

#[async_trait]
impl Fencing for Node {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let Some(resource) = self.reach(resource).await? else {
            return Ok(Vote::held_by_another(None));
        };
        let resource = &match self.has(CountsApart) {
            true => Resource::new(format!("counted {resource}")).expect("it is not empty"),
            false => resource,
        };
        let locks = &self.store.locks;
        let free = self.holder(resource).await?.is_none();
        if free && self.has(CountersEndWithTheirKeys) {
            locks.forget_counter(resource);
        }
        let hint = match self.defect {
            Some(HintsAreIgnored) => Fence::default(),
            Some(CountersAreShared) => hint.max(self.store.more().largest),
            Some(CountersBeginAnywhere) if locks.counter(resource).is_none() => {
                Fence::new(hint.get().max(HALF_A_DAY_LATER))
            }
            _ => hint,
        };
        let counter = locks.counter(resource);
        if self.has(CountsInTwoSteps) {
            tokio::task::yield_now().await;
        }
        let vote = locks.acquire_counted(resource, token, ttl, hint).await?;
        let Vote::Granted { counter: Some(told), .. } = vote else {
            return Ok(match vote {
                Vote::Refused(Refusal::HeldByAnother { remaining, .. })
                    if self.has(RefusalsKeepCounters) =>
                {
                    Vote::held_by_another(remaining)
                }
                Vote::Refused(Refusal::HeldByAnother { counter: Some(counter), .. }) => {
                    vote.with_counter(self.shown(counter))
                }
                vote => vote,
            });
        };
        let next = |more| Fence::new(told.get() + more);
        let told = match self.defect {
            Some(CountsNothing) => counter.unwrap_or(told),
            Some(CountsByTwo) if free => return locks.raise(resource, token, next(1)).await,
            Some(CountsWhoAsksAgain) if !free => {
                return locks.raise(resource, token, next(1)).await;
            }
            Some(BelievesAnyHint) if free && told <= hint => {
                let believed = Fence::new(hint.get() + 1);
                return locks.raise(resource, token, believed).await;
            }
            Some(CountsInTwoSteps) if free => match counter {
                Some(counter) => Fence::new(counter.get() + 1),
                None => told,
            },
            _ => told,
        };
        let largest = &mut self.store.more().largest;
        *largest = (*largest).max(told);
        Ok(Vote::counted(self.shown(told)))
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        let Some(resource) = &self.reach(resource).await? else { return Ok(Vote::not_held()) };
        let locks = &self.store.locks;
        let token = match self.holder(resource).await? {
            Some(holder) if self.has(AnybodyRaises) => &holder.clone(),
            _ => token,
        };
        let fence = if self.has(RaisesNothing) { Fence::default() } else { fence };
        let vote = locks.raise(resource, token, fence).await?;
        let Vote::Granted { counter: Some(told), .. } = vote else { return Ok(vote) };
        let largest = &mut self.store.more().largest;
        *largest = (*largest).max(told);
        Ok(Vote::counted(if self.has(RaisingEchoes) { fence } else { self.shown(told) }))
    }
}

impl Node {
    /// As a script shows it that writes numbers as text.
    fn shown(&self, counter: Fence) -> Fence {
        if !self.has(CountersAreRounded) {
            return counter;
        }
        // Doubles in fourteen digits.
        let text = format!("{:.13e}", counter.get() as f64);
        Fence::new(text.parse::<f64>().expect("it is a number") as u64)
    }
}

/// In microseconds since 1970: half a day after memory nodes begin.
const HALF_A_DAY_LATER: u64 = (56 * 365 * 24 + 12) * 3600 * 1_000_000;
