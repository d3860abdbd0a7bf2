//! What a node does when it is asked: [`LockNode`] for [`RedisNode`].

use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use redlock_core::{
    Delivery, Identity, Inspection, LockNode, NodeError, Resource, Token, Ttl, Vote,
};
use redlock_wire::Script;

use crate::{
    error::{Trouble, odd_answer},
    link::Session,
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
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        let mut set = Cmd::with_capacity(6, 64 + resource.as_str().len() + token.as_bytes().len());
        set.arg("SET").arg(resource.as_str()).arg(token.as_bytes());
        set.arg("NX").arg("PX").arg(ttl.as_millis());
        match self.link.ask(&mut session, &set).await {
            Ok(Value::Okay) => return Ok(Vote::granted()),
            Ok(Value::Nil) => {}
            Ok(_) => return Err(odd_answer(label)),
            Err(trouble) => return Err(trouble.of_command(label)),
        }
        // There was a key: perhaps this token's, from a request whose answer was lost.
        match self.look(&mut session, resource).await {
            Ok(Found::Value(value, _)) if value == token.as_bytes() => Ok(Vote::granted()),
            Ok(Found::Value(_, left)) => Ok(Vote::held_by_another(remaining(left))),
            // It has ended since. What was refused stays refused: nothing was set.
            Ok(Found::Nothing) => Ok(Vote::held_by_another(Some(Duration::ZERO))),
            Ok(Found::Odd) => Err(odd_answer(label)),
            Err(trouble) => {
                let foreign = trouble.code() == Some("WRONGTYPE");
                let error = trouble.of_command(label);
                // Whatever kept the node from looking, the key may still be this token's.
                Err(if foreign { error } else { error.with_delivery(Delivery::Unknown) })
            }
        }
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let words = Words { token: Some(token), millis: Some(ttl.as_millis()) };
        self.change(Script::EXTEND, resource, words).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let words = Words { token: Some(token), millis: None };
        self.change(Script::RELEASE, resource, words).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        match self.look(&mut session, resource).await {
            Ok(Found::Nothing) => Ok(Inspection::Free),
            Ok(Found::Value(value, left)) => match Token::from_bytes(value) {
                Ok(token) => Ok(Inspection::Held { token, remaining: remaining(left) }),
                // An empty value: no token, so no lock made it.
                Err(_) => Err(odd_answer(label)),
            },
            Ok(Found::Odd) => Err(odd_answer(label)),
            Err(trouble) => Err(trouble.of_command(label)),
        }
    }
}

impl RedisNode {
    /// Runs a script by its digest, and by its text where the server does not know it.
    ///
    /// One `EVAL` and no more: loading it first and trying again would let a later call for the
    /// same resource overtake this one between the steps (requirement R19).
    async fn run(
        &self,
        session: &mut Session,
        script: Script,
        resource: &Resource,
        words: Words<'_>,
    ) -> Result<Value, Trouble> {
        let by_digest = eval("EVALSHA", script.sha1(), resource, words);
        match self.link.ask(session, &by_digest).await {
            Err(trouble) if trouble.code() == Some("NOSCRIPT") => {
                let by_text = eval("EVAL", script.body(), resource, words);
                self.link.ask(session, &by_text).await
            }
            answer => answer,
        }
    }

    /// Runs one of the scripts that answer with a vote.
    async fn change(
        &self,
        script: Script,
        resource: &Resource,
        words: Words<'_>,
    ) -> Result<Vote, NodeError> {
        let mut session = self.link.session().await?;
        let label = &self.link.config.label;
        match self.run(&mut session, script, resource, words).await {
            Ok(Value::Okay) => Ok(Vote::granted()),
            Ok(Value::Nil) => Ok(Vote::not_held()),
            Ok(Value::Int(left)) => Ok(Vote::held_by_another(remaining(left))),
            Ok(_) => Err(odd_answer(label)),
            Err(trouble) => Err(trouble.of_command(label)),
        }
    }

    async fn look(&self, session: &mut Session, resource: &Resource) -> Result<Found, Trouble> {
        Ok(match self.run(session, Script::INSPECT, resource, Words::default()).await? {
            Value::Nil => Found::Nothing,
            Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
                Ok([Value::BulkString(value), Value::Int(left)]) => Found::Value(value, left),
                _ => Found::Odd,
            },
            _ => Found::Odd,
        })
    }
}

/// What a script takes besides its key.
#[derive(Clone, Copy, Default)]
struct Words<'a> {
    token: Option<&'a Token>,
    millis: Option<u64>,
}

/// What there is at the key of a resource.
enum Found {
    Nothing,
    Value(Vec<u8>, i64),
    Odd,
}

fn eval(command: &str, script: &str, resource: &Resource, words: Words<'_>) -> Cmd {
    let mut eval = Cmd::new();
    eval.arg(command).arg(script).arg(1).arg(resource.as_str());
    if let Some(token) = words.token {
        eval.arg(token.as_bytes());
    }
    if let Some(millis) = words.millis {
        eval.arg(millis);
    }
    eval
}

/// What a node tells of a key's lifetime: -1 is for ever, -2 means that it has just ended.
fn remaining(millis: i64) -> Option<Duration> {
    match millis {
        -1 => None,
        left => Some(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
    }
}
