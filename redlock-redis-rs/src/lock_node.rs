//! What a node does when it is asked: [`LockNode`] for [`RedisNode`].

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Value};
use redlock_core::{Identity, Inspection, LockNode, NodeError, Resource, Token, Ttl, Vote};
use redlock_wire::{Command, Exchange, Reply, Trouble, Word};

use crate::{
    link::{Link, Session},
    node::RedisNode,
};

#[async_trait]
impl LockNode for RedisNode {
    fn label(&self) -> &str {
        &self.link.config.label
    }

    fn identity(&self) -> Option<Identity> {
        self.link.identity()
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        redlock_wire::acquire(&mut self.line().await?, resource, token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        redlock_wire::extend(&mut self.line().await?, resource, token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        redlock_wire::release(&mut self.line().await?, resource, token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        redlock_wire::inspect(&mut self.line().await?, resource).await
    }
}

/// The connection that the commands of one call go over.
struct Line<'a> {
    link: &'a Link,
    session: Session,
}

impl RedisNode {
    async fn line(&self) -> Result<Line<'_>, NodeError> {
        Ok(Line { link: &self.link, session: self.link.session().await? })
    }
}

impl Exchange for Line<'_> {
    fn label(&self) -> &Arc<str> {
        &self.link.config.label
    }

    async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
        match self.link.ask(&mut self.session, &packed(command)).await {
            Ok(value) => Ok(reply(value)),
            Err(cause) => Err(cause.of_command(self.label())),
        }
    }
}

/// A command as the library sends it.
fn packed(command: Command<'_>) -> Cmd {
    let mut packed = Cmd::with_capacity(8, CAPACITY);
    packed.arg(command.name());
    for word in command.words() {
        match word {
            Word::Bytes(bytes) => packed.arg(bytes),
            Word::Number(number) => packed.arg(number),
        };
    }
    packed
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Okay => Reply::Okay,
        Value::Int(number) => Reply::Int(number),
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::BulkString(value), Value::Int(number)]) => Reply::Value(value, number),
            _ => Reply::Odd,
        },
        _ => Reply::Odd,
    }
}

/// Bytes that most commands fit in: a resource, a token, a digest.
const CAPACITY: usize = 128;
