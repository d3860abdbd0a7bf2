//! What a node does when it is asked: [`LockNode`] for [`FredNode`].

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::{
    types::{ClusterHash, CustomCommand, Resp3Frame, Value},
    util::redis_keyslot,
};
use futures::future;
use redlock_core::{
    Accord, Announced, ClockStep, Cursor, Fence, Fencing, Identity, Inspection, LockNode,
    NodeError, Notifications, Page, Resource, ResourceSet, Sets, Survey, Token, Ttl, Vote, Witness,
};
use redlock_wire::{Audience, Both, Command, Exchange, Item, Lasting, Reply, Trouble, Word};

use crate::{
    error::Cause,
    link::{Link, Session},
    node::FredNode,
};

#[async_trait]
impl LockNode for FredNode {
    fn label(&self) -> &str {
        &self.link.config.label
    }

    fn identity(&self) -> Option<Identity> {
        self.link.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        Some(self)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.link.config.voting.takes_sets().then_some(self as _)
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
        let mut line = self.line(resource).await?;
        self.link.config.voting.acquire(&mut line, resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line(resource).await?;
        self.link.config.voting.extend(&mut line, resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let mut line = self.line(resource).await?;
        self.link.config.voting.release(&mut line, resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        redlock_wire::inspect(&mut self.line(resource).await?, resource).await
    }
}

#[async_trait]
impl Accord for FredNode {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        redlock_wire::agree(&mut self.line(name).await?, name, terms).await
    }
}

impl Witness for FredNode {
    fn remembers(&self) -> Option<Duration> {
        self.link.config.voting.remembers()
    }

    fn clock_steps(&self, heard: u64) -> Vec<ClockStep> {
        self.link.config.voting.clock_steps(heard)
    }
}

#[async_trait]
impl Fencing for FredNode {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line(resource).await?;
        self.link.config.voting.acquire_counted(&mut line, resource, token, ttl, hint).await
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line(resource).await?;
        self.link.config.voting.raise(&mut line, resource, token, fence).await
    }
}

/// All calls for one set go over the client of its first resource, and so in their order.
#[async_trait]
impl Sets for FredNode {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line(resources.first()).await?;
        self.link.config.voting.acquire_all(&mut line, resources, token, ttl).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let mut line = self.line(resources.first()).await?;
        self.link.config.voting.extend_all(&mut line, resources, token, ttl).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        let mut line = self.line(resources.first()).await?;
        Ok(self.link.config.voting.release_all(&mut line, resources, token, None).await?.vote)
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let audience = Some(self.link.config.origin.audience());
        let mut line = self.line(resources.first()).await?;
        self.link.config.voting.release_all(&mut line, resources, token, audience).await
    }
}

#[async_trait]
impl Survey for FredNode {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        // Of a pool always the same client: a cursor is its server's.
        let mut line = self.line(self.link.config.voting.epoch()).await?;
        match self.link.config.origin.audience() {
            Audience::Server => redlock_wire::list(&mut line, prefix, from, Lasting::Foreign).await,
            Audience::Cluster => {
                redlock_wire::list_cluster(&mut line, prefix, from, Lasting::Foreign).await
            }
        }
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        let audience = self.link.config.origin.audience();
        redlock_wire::reset(&mut self.line(resource).await?, resource, audience).await
    }
}

/// The connection that the commands of one call go over.
pub(crate) struct Line<'a> {
    pub(crate) link: &'a Link,
    pub(crate) session: Session,
}

impl FredNode {
    pub(crate) async fn line(&self, resource: &Resource) -> Result<Line<'_>, NodeError> {
        Ok(Line { link: &self.link, session: self.link.session(resource).await? })
    }
}

impl Exchange for Line<'_> {
    fn label(&self) -> &Arc<str> {
        &self.link.config.label
    }

    fn send(
        &mut self,
        command: Command<'_>,
    ) -> impl Future<Output = Result<Reply, Trouble>> + Send {
        // Before there is a future, which would keep the command beside what is made of it. A client
        // of a cluster must know where the command goes.
        let slot = ClusterHash::Custom(redis_keyslot(command.key().as_str().as_bytes()));
        let words = words(command);
        let command = CustomCommand::new_static(command.name(), slot, false);
        async move {
            let answer = self.link.ask(&self.session, command, words).await;
            answer.and_then(reply).map_err(|cause| cause.of_command(self.label()))
        }
    }

    async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
        let mut behind = Line { link: self.link, session: self.session.clone() };
        // Each is sent when it is first polled, and these are polled in this order.
        future::join(self.send(first), behind.send(second)).await
    }
}

/// The words of a command after the first, as the library sends them.
pub(crate) fn words(command: Command<'_>) -> Vec<Value> {
    let mut words = Vec::with_capacity(USUAL);
    command.for_each_word(|word| {
        words.push(match word {
            Word::Bytes(bytes) => bytes.into(),
            Word::Number(number) => number.to_string().into(),
        });
    });
    words
}

/// So many words make most commands.
const USUAL: usize = 8;

pub(crate) fn reply(frame: Resp3Frame) -> Result<Reply, Cause> {
    Ok(match frame {
        Resp3Frame::Null => Reply::Nil,
        Resp3Frame::SimpleString { data, .. } if &data[..] == b"OK" => Reply::Okay,
        Resp3Frame::Number { data, .. } => Reply::Int(data),
        Resp3Frame::Array { data, .. } => Reply::of_array(data.into_iter().map(item)),
        Resp3Frame::SimpleError { data, .. } => return Err(Cause::Said(data.to_string())),
        Resp3Frame::BlobError { data, .. } => {
            return Err(Cause::Said(String::from_utf8_lossy(&data).into_owned()));
        }
        _ => Reply::Odd,
    })
}

fn item(frame: Resp3Frame) -> Option<Item> {
    match frame {
        Resp3Frame::Number { data, .. } => Some(Item::Int(data)),
        Resp3Frame::BlobString { data, .. } => Some(Item::Value(data.to_vec())),
        _ => None,
    }
}
