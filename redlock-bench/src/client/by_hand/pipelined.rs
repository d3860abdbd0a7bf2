//! redis-rs alone, with more work: a task for each server sends together what many ask for at the
//! same time. It shows what that brings by itself.

use std::mem;

use futures::{StreamExt, stream::FuturesUnordered};
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection};
use redlocks::async_trait;
use tokio::{
    sync::{
        OnceCell,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::yield_now,
};

use super::{
    super::{Held, LockClient},
    REFUSED, majority,
    redis_rs::Way,
};
use crate::Failure;

/// Connects when first used.
pub(in crate::client) fn client(urls: &[String]) -> Result<Box<dyn LockClient>, Failure> {
    Ok(Box::new(Pipelined { way: Way::to(urls)?, servers: OnceCell::new() }))
}

struct Pipelined {
    way: Way,
    servers: OnceCell<Vec<UnboundedSender<Question>>>,
}

struct HeldLock {
    servers: Vec<UnboundedSender<Question>>,
    release: Cmd,
}

/// A command, and who wants to know whether the server did it.
struct Question {
    command: Cmd,
    answer: oneshot::Sender<bool>,
}

impl Pipelined {
    async fn connect(&self) -> Result<Vec<UnboundedSender<Question>>, Failure> {
        let servers = self.way.connect().await?.into_iter().map(|server| {
            let (questions, asked) = unbounded_channel();
            tokio::spawn(carry(server, asked));
            questions
        });
        Ok(servers.collect())
    }
}

/// Takes all questions that are there, and once lets others ask who are ready to.
async fn carry(server: MultiplexedConnection, mut questions: UnboundedReceiver<Question>) {
    let (mut under_way, mut waiting) = (FuturesUnordered::new(), Vec::new());
    loop {
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            count = questions.recv_many(&mut waiting, MOST) => {
                if count == 0 {
                    return;
                }
                yield_now().await;
                while let Ok(question) = questions.try_recv() {
                    waiting.push(question);
                }
                under_way.push(ask(server.clone(), mem::take(&mut waiting)));
            }
        }
    }
}

async fn ask(mut server: MultiplexedConnection, questions: Vec<Question>) {
    let mut pipeline = Pipeline::with_capacity(questions.len());
    let mut callers = Vec::with_capacity(questions.len());
    for Question { command, answer } in questions {
        pipeline.add_command(command);
        callers.push(answer);
    }
    let answers = server.send_packed_commands(&pipeline, 0, callers.len()).await;
    for (caller, answer) in callers.into_iter().zip(answers.unwrap_or_default()) {
        // Whoever has a majority does not wait for the rest.
        let _ = caller.send(matches!(answer, Value::Okay | Value::Int(1)));
    }
}

async fn do_all(servers: &[UnboundedSender<Question>], command: &Cmd) -> bool {
    let mut asked = Vec::with_capacity(servers.len());
    for server in servers {
        let (answer, answered) = oneshot::channel();
        // The task has not ended before its questions have.
        let _ = server.send(Question { command: command.clone(), answer });
        asked.push(async { answered.await.unwrap_or(false) });
    }
    majority(asked.into_iter()).await
}

#[async_trait]
impl LockClient for Pipelined {
    async fn acquire(&self, resource: &str) -> Result<Box<dyn Held>, Failure> {
        let servers = self.servers.get_or_try_init(|| self.connect()).await?;
        let (set, release) = self.way.commands(resource);
        if !do_all(servers, &set).await {
            return Err(REFUSED.into());
        }
        Ok(Box::new(HeldLock { servers: servers.clone(), release }))
    }

    /// It does nothing in the background.
    async fn settled(&self) {}
}

#[async_trait]
impl Held for HeldLock {
    async fn release(self: Box<Self>) -> bool {
        do_all(&self.servers, &self.release).await
    }
}

/// So many commands leave together at the most.
const MOST: usize = 128;
