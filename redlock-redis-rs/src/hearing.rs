//! The life of one connection to listen on: [`hear`].

use std::{
    future::{Future, pending},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, select_biased, stream::FuturesUnordered};
use redis::{Msg, RedisResult, Value};
use redlock_core::{FailureKind, NodeError};
use redlock_wire::{Channel, Errand, Operator};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    config::Settings,
    error::Cause,
    listening::{Listening, listen},
};

/// Makes a connection, brings its subscribers what they listen to, and hangs up soon after the last
/// has gone.
///
/// An answer that is late ends it, and so does a server that is no longer the one to listen to:
/// what cannot be heard any more must not seem to be.
pub(crate) async fn hear(
    settings: Arc<Settings>,
    mut operator: Operator,
    failure: Failure,
    mut doubt: watch::Receiver<()>,
) {
    let opened = match timeout(settings.connect_timeout, listen(&settings.origin)).await {
        Ok(opened) => opened,
        Err(_) => Err(Cause::Late(settings.connect_timeout)),
    };
    let error = match opened {
        Ok(listening) => serve(&settings, listening, &mut operator, &mut doubt).await,
        Err(cause) => {
            let error = cause.of_connecting(&settings.label, FailureKind::Unreachable);
            let _ = failure.set((Instant::now(), error.clone()));
            error
        }
    };
    operator.end(&error);
}

/// When and why no connection could be made, if so.
pub(crate) type Failure = Arc<OnceLock<(Instant, NodeError)>>;

/// Something happens to a connection.
enum Event {
    /// A subscriber has come first, or gone last.
    Errand(Errand),
    /// An answer, or none in time.
    Answer(Answer),
    /// Somebody is told something; `None` if the connection has ended.
    Heard(Option<Msg>),
    /// The connection may be of no use any more.
    Doubt,
    /// Nothing, for a while.
    Silence,
}

enum Answer {
    Subscribed(Channel, Result<(), Cause>),
    Unsubscribed(Channel, Result<(), Cause>),
    Probed(Result<bool, Cause>),
}

/// Tells why the connection is of no use any more.
async fn serve(
    settings: &Settings,
    listening: Listening,
    operator: &mut Operator,
    doubt: &mut watch::Receiver<()>,
) -> NodeError {
    let Listening { connection, is_right } = listening;
    let closed = || NodeError::new(Arc::clone(&settings.label), FailureKind::Closed);
    let patience = settings.response_timeout;
    let (sink, messages) = connection.split();
    let mut messages = messages.fuse();
    let mut answers: FuturesUnordered<BoxFuture<'_, Answer>> = FuturesUnordered::new();
    let mut is_probed = false;
    loop {
        let silence = if operator.is_idle() { GRACE } else { PROBE };
        let event = select_biased! {
            message = messages.next() => Event::Heard(message),
            answer = answers.select_next_some() => Event::Answer(answer),
            errand = operator.errand().fuse() => Event::Errand(errand),
            () = doubted(doubt, is_probed).fuse() => Event::Doubt,
            () = sleep(silence).fuse() => Event::Silence,
        };
        match event {
            Event::Heard(None) => return closed(),
            Event::Heard(Some(message)) => {
                operator
                    .deliver(message.get_channel_name().as_bytes(), message.get_payload_bytes());
            }
            Event::Errand(Errand::Subscribe(channel)) => {
                let mut sink = sink.clone();
                let asked = async move {
                    let said = sink.subscribe(channel.as_str());
                    let answer = within(patience, said).await;
                    Answer::Subscribed(channel, answer)
                };
                answers.push(asked.boxed());
            }
            Event::Errand(Errand::Unsubscribe(channel)) => {
                let mut sink = sink.clone();
                let asked = async move {
                    let said = sink.unsubscribe(channel.as_str());
                    let answer = within(patience, said).await;
                    Answer::Unsubscribed(channel, answer)
                };
                answers.push(asked.boxed());
            }
            Event::Answer(Answer::Subscribed(channel, Ok(()))) => operator.subscribed(&channel),
            Event::Answer(Answer::Subscribed(channel, Err(cause))) => {
                let (is_final, error) = judge(cause, settings);
                if is_final {
                    return error;
                }
                operator.refused(&channel, &error);
            }
            Event::Answer(Answer::Unsubscribed(channel, Ok(()))) => operator.unsubscribed(&channel),
            // It goes on telling what nobody wants to hear: a new connection does not.
            Event::Answer(Answer::Unsubscribed(_, Err(cause))) => return judge(cause, settings).1,
            Event::Answer(Answer::Probed(Ok(true))) => is_probed = false,
            Event::Answer(Answer::Probed(Ok(false))) => return closed(),
            Event::Answer(Answer::Probed(Err(cause))) => return judge(cause, settings).1,
            Event::Silence if operator.is_idle() => {
                if operator.close_if_idle() {
                    return closed();
                }
            }
            Event::Doubt | Event::Silence if is_probed => {}
            Event::Doubt | Event::Silence => {
                is_probed = true;
                let (mut sink, is_right) = (sink.clone(), Arc::clone(&is_right));
                let probe = async move {
                    let said = async { sink.ping::<Value>().await.map(drop) };
                    Answer::Probed(match within(patience, said).await {
                        // A user who may not PING has been answered too.
                        Err(Cause::Redis(error)) if error.code().is_some() => Ok(is_right().await),
                        Err(cause) => Err(cause),
                        Ok(()) => Ok(is_right().await),
                    })
                };
                answers.push(probe.boxed());
            }
        }
    }
}

/// Waits for an answer as long as the node allows.
async fn within(
    patience: Duration,
    said: impl Future<Output = RedisResult<()>>,
) -> Result<(), Cause> {
    match timeout(patience, said).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Cause::Late(patience)),
    }
}

/// Completes when there is doubt, unless it is being looked into already.
async fn doubted(doubt: &mut watch::Receiver<()>, is_probed: bool) {
    // Nobody is left to doubt when the node is gone.
    if is_probed || doubt.changed().await.is_err() {
        pending().await
    }
}

/// Whether the connection is of no more use, and what its subscribers are told.
fn judge(cause: Cause, settings: &Settings) -> (bool, NodeError) {
    let is_answer = matches!(&cause, Cause::Redis(error) if error.code().is_some());
    (!is_answer, cause.of_command(&settings.label).into())
}

/// How long a connection stays after its last subscriber: the next often comes at once.
const GRACE: Duration = Duration::from_millis(500);
/// How often a server is asked whether it is still there, while it has nothing to tell.
const PROBE: Duration = Duration::from_secs(5);
