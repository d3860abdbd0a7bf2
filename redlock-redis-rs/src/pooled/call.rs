//! What a node does when it is asked: [`LockNode`] for [`PooledNode`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{future, stream::BoxStream};
use redlock_core::{
    Accord, Announced, ClockStep, Cursor, Delivery, Fence, Fencing, Identity, Inspection, LockNode,
    NodeError, Notice, Notifications, Page, Resource, ResourceSet, Sets, Survey, Token, Ttl, Vote,
    Witness,
};
use redlock_wire::{Audience, Both, Command, Exchange, Lasting, Reply, Trouble};
use tokio::{runtime::Handle, sync::OwnedMutexGuard, time::timeout};

use super::{
    lane::Lane,
    lanes::{Lanes, Outcome},
    node::PooledNode,
    turns::Claim,
};
use crate::{
    connection::Connection,
    error::{self, Cause},
    packing::{packed, reply},
};

#[async_trait]
impl LockNode for PooledNode {
    fn label(&self) -> &str {
        &self.lanes.config.label
    }

    fn identity(&self) -> Option<Identity> {
        self.lanes.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.lanes.subscriptions.as_ref().map(|_| self as &dyn Notifications)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.lanes.voting.takes_sets().then_some(self as _)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        Some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        Some(self)
    }

    fn accord(&self) -> Option<&dyn Accord> {
        Some(self)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        self.lanes.voting.acquire(&mut call, resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        self.lanes.voting.extend(&mut call, resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        self.lanes.voting.release(&mut call, resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        redlock_wire::inspect(&mut self.call(None).await?, resource).await
    }
}

#[async_trait]
impl Notifications for PooledNode {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        let voting = &self.lanes.voting;
        voting.release_and_notify(&mut call, resource, token, Audience::Server).await
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        redlock_wire::notify(&mut self.call(None).await?, resource).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        match &self.lanes.subscriptions {
            Some(subscriptions) => subscriptions.subscribe(resource).await,
            // Not asked: such a node tells nobody that it has notifications.
            None => Err(error::deaf(&self.lanes.config.label)),
        }
    }
}

#[async_trait]
impl Accord for PooledNode {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        redlock_wire::agree(&mut self.call(None).await?, name, terms).await
    }
}

impl Witness for PooledNode {
    fn remembers(&self) -> Option<Duration> {
        self.lanes.voting.remembers()
    }

    fn clock_steps(&self, heard: u64) -> Vec<ClockStep> {
        self.lanes.voting.clock_steps(heard)
    }
}

#[async_trait]
impl Fencing for PooledNode {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        self.lanes.voting.acquire_counted(&mut call, resource, token, ttl, hint).await
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resource, token))).await?;
        self.lanes.voting.raise(&mut call, resource, token, fence).await
    }
}

#[async_trait]
impl Sets for PooledNode {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resources.first(), token))).await?;
        self.lanes.voting.acquire_all(&mut call, resources, token, ttl).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resources.first(), token))).await?;
        self.lanes.voting.extend_all(&mut call, resources, token, ttl).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        let mut call = self.call(Some(Claim::new(resources.first(), token))).await?;
        Ok(self.lanes.voting.release_all(&mut call, resources, token, None).await?.vote)
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = Some(Audience::Server);
        let mut call = self.call(Some(Claim::new(resources.first(), token))).await?;
        self.lanes.voting.release_all(&mut call, resources, token, audience).await
    }
}

#[async_trait]
impl Survey for PooledNode {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let mut call = self.call(None).await?;
        redlock_wire::list(&mut call, prefix, from, Lasting::Foreign).await
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        redlock_wire::reset(&mut self.call(None).await?, resource, Audience::Server).await
    }
}

impl PooledNode {
    pub(super) async fn call(&self, claim: Option<Claim>) -> Result<Call<'_>, NodeError> {
        let turn = match claim {
            Some(claim) => Some(Turn::wait(&self.lanes, claim).await?),
            None => None,
        };
        let lane = self.lanes.board(turn.as_ref().map(|turn| &turn.claim)).await?;
        let connection = lane.connection.clone();
        Ok(Call { lanes: &self.lanes, lane, connection, outcome: Outcome::NotSent, turn })
    }
}

/// The right to send for a claim.
struct Turn<'a> {
    lanes: &'a Lanes,
    claim: Claim,
    gate: Option<OwnedMutexGuard<()>>,
}

impl<'a> Turn<'a> {
    async fn wait(lanes: &'a Lanes, claim: Claim) -> Result<Self, NodeError> {
        let gate = lanes.join(&claim);
        let mut turn = Self { lanes, claim, gate: None };
        if let Ok(open) = Arc::clone(&gate).try_lock_owned() {
            turn.gate = Some(open);
            return Ok(turn);
        }
        let config = &lanes.config;
        Handle::try_current().map_err(|error| error::no_runtime(&config.label, error))?;
        // The call before may belong to a future that nobody polls.
        let patience = config.connect_timeout.saturating_add(config.response_timeout);
        match timeout(patience, gate.lock_owned()).await {
            Ok(open) => turn.gate = Some(open),
            Err(_) => {
                let late = NodeError::timed_out(Arc::clone(&config.label), patience);
                return Err(late.with_delivery(Delivery::NotSent).with_source(Before));
            }
        }
        Ok(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.part(&self.claim);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an earlier call for the same resource and token has not ended")]
struct Before;

/// One call on its lane. Dropped before it has its answer, its outcome is unknown.
pub(super) struct Call<'a> {
    lanes: &'a Lanes,
    lane: Arc<Lane>,
    connection: Connection,
    outcome: Outcome,
    /// Dropped after the outcome is written down: the next call for this claim must see it.
    turn: Option<Turn<'a>>,
}

impl Call<'_> {
    /// What has happened to one connection may have happened to the one that is listened on.
    fn doubt_subscriptions(&self) {
        if let Some(subscriptions) = &self.lanes.subscriptions {
            subscriptions.doubt();
        }
    }
}

impl Exchange for Call<'_> {
    fn label(&self) -> &Arc<str> {
        &self.lanes.config.label
    }

    async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
        let command = packed(command);
        let patience = self.lanes.config.response_timeout;
        self.outcome = Outcome::Unknown;
        let cause = match timeout(patience, self.connection.send(&command)).await {
            Ok(Ok(value)) => {
                self.outcome = Outcome::Known;
                return Ok(reply(value));
            }
            Ok(Err(error)) => {
                if error.code().is_some() {
                    self.outcome = Outcome::Known;
                } else if error.is_unrecoverable_error() {
                    self.lanes.close(&self.lane);
                    self.doubt_subscriptions();
                }
                Cause::Redis(error)
            }
            Err(_) => {
                self.doubt_subscriptions();
                Cause::Late(patience)
            }
        };
        Err(cause.of_command(self.label()))
    }

    async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
        let (mut connection, second) = (self.connection.clone(), packed(second));
        let (label, patience) = (Arc::clone(self.label()), self.lanes.config.response_timeout);
        let behind = timeout(patience, connection.send(&second));
        // Each is sent when it is first polled, and these are polled in this order.
        let (first, second) = future::join(self.send(first), behind).await;
        let second = match second {
            Ok(Ok(value)) => Ok(reply(value)),
            Ok(Err(error)) => Err(Cause::Redis(error).of_command(&label)),
            Err(_) => Err(Cause::Late(patience).of_command(&label)),
        };
        (first, second)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let claim = self.turn.as_ref().map(|turn| &turn.claim);
        self.lanes.leave(&self.lane, claim, self.outcome);
    }
}
