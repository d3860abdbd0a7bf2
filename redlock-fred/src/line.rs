use std::time::Duration;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, PubsubInterface},
    types::{ClusterHash, CustomCommand, Value, config::Options},
    util::redis_keyslot,
};
use redlock_wire::Channel;
use tokio::time::sleep;

use crate::error::Cause;

/// What is said on a connection for notices, and whether the server has done it.
///
/// The library takes a `SUBSCRIBE` for done before it has sent it, throws away what the server
/// answers to it, and takes an error for the answer to whatever comes next. So a `PING` with a word
/// of its own goes right behind, and nothing else is said meanwhile: a server answers in order, so
/// with that word it has done all that came before.
pub(crate) struct Line {
    client: Client,
    options: Options,
    pings: u64,
}

/// What a server makes of a wish to listen.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All that is wished has been done.
    Done,
    /// It sends nothing of any of the channels, for this reason.
    Refused(Cause),
}

impl Line {
    /// `options` have a limit of time.
    pub(crate) const fn new(client: Client, options: Options) -> Self {
        Self { client, options, pings: 0 }
    }

    /// Has the server send what is published on the first channels from now on, and nothing more of
    /// the others.
    ///
    /// After an error, here and below, the line is out of use.
    pub(crate) async fn change(
        &mut self,
        wanted: &[Channel],
        unwanted: &[Channel],
    ) -> Result<Answer, Cause> {
        match self.ping_behind(wanted, unwanted).await {
            Ok(Echo::Own) => Ok(Answer::Done),
            Ok(Echo::Older) => Err(out_of_step()),
            Err(said @ Cause::Said(_)) => {
                // The answer to the `PING` is still to come, or has come and was thrown away.
                let all: Vec<_> = wanted.iter().chain(unwanted).cloned().collect();
                match self.catch_up(&all).await {
                    Ok(()) => Ok(Answer::Refused(said)),
                    // Who may not even `PING` should read what he has asked for.
                    Err(Cause::Said(_)) => Err(said),
                    Err(other) => Err(other),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// Waits until the server has answered, be it with an error.
    pub(crate) async fn check(&mut self) -> Result<(), Cause> {
        match self.ping_behind(&[], &[]).await {
            Ok(Echo::Own) | Err(Cause::Said(_)) => Ok(()),
            Ok(Echo::Older) => Err(out_of_step()),
            Err(other) => Err(other),
        }
    }

    /// Waits until what is answered is the answer to what was sent last.
    ///
    /// One that comes while nothing has been asked is thrown away, which is what the pauses are
    /// for. Nearly always it has come together with the error.
    async fn catch_up(&mut self, unwanted: &[Channel]) -> Result<(), Cause> {
        for pause in PAUSES_IN_MILLIS {
            sleep(Duration::from_millis(pause)).await;
            if self.ping_behind(&[], unwanted).await? == Echo::Own {
                return Ok(());
            }
        }
        Err(out_of_step())
    }

    async fn ping_behind(
        &mut self,
        wanted: &[Channel],
        unwanted: &[Channel],
    ) -> Result<Echo, Cause> {
        self.pings += 1;
        let word = self.pings.to_string();
        // Nothing of it is sent before the end, so until then nothing waits.
        let pipeline = self.client.pipeline().with_options(&self.options);
        // Without names they would mean all channels.
        if !wanted.is_empty() {
            pipeline.subscribe(names(wanted)).await.map_err(Cause::Fred)?;
        }
        if !unwanted.is_empty() {
            pipeline.unsubscribe(names(unwanted)).await.map_err(Cause::Fred)?;
        }
        // In a cluster the library sends the others to the server that has this slot.
        let slot = ClusterHash::Custom(redis_keyslot(self.client.id().as_bytes()));
        let ping = CustomCommand::new_static("PING", slot, false);
        pipeline.custom::<Value, _>(ping, vec![word.as_str()]).await.map_err(Cause::Fred)?;
        let answer = pipeline.last::<Value>().await;
        let answer = answer.map_err(|error| Cause::of_answer(error, &self.options))?;
        let answer = match answer {
            // In RESP2, while anything is subscribed to: `pong` and the word.
            Value::Array(mut words) => words.pop().unwrap_or(Value::Null),
            answer => answer,
        };
        Ok(if answer.as_bytes() == Some(word.as_bytes()) { Echo::Own } else { Echo::Older })
    }
}

/// What came back for a `PING`.
#[derive(Debug, PartialEq, Eq)]
enum Echo {
    /// Its own answer.
    Own,
    /// That to an older one: there was an answer more than the library knew of.
    Older,
}

fn names(channels: &[Channel]) -> Vec<&str> {
    channels.iter().map(Channel::as_str).collect()
}

fn out_of_step() -> Cause {
    Cause::Fred(Error::new(ErrorKind::Protocol, "the answers are not those to what was asked"))
}

/// Before each attempt to be in step again.
const PAUSES_IN_MILLIS: [u64; 5] = [0, 1, 10, 50, 100];
