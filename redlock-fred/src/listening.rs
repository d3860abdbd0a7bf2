//! The life of a connection for notices: [`run`].

use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};

use fred::{
    clients::Client,
    interfaces::EventInterface,
    types::{
        Message,
        config::{Config as Settings, Options, PerformanceConfig},
    },
};
use futures::{
    FutureExt,
    future::{self, Either},
};
use redlock_core::NodeError;
use redlock_wire::{Channel, Errand, Operator};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use crate::{
    attempt::{Task, connect},
    config::{Config, rotated},
    error::Cause,
    line::{Answer, Line},
    listeners::Duty,
};

/// Connects, and serves those who listen until nobody does, or the connection ends.
///
/// The client may not connect a second time, so nothing is missed behind anybody's back.
pub(crate) async fn run(
    config: Arc<Config>,
    settings: Settings,
    Duty { operator, failure, attempt }: Duty,
) {
    let mut service = Service { config, operator, granted: HashSet::new() };
    let ended = match service.connect(rotated(settings, attempt)).await {
        Ok((client, mut task)) => {
            let ended = match future::select(pin!(service.serve(client)), &mut task.0).await {
                Either::Left((served, _)) => served,
                Either::Right((ended, _)) => Err(Cause::of_end(ended)),
            };
            ended.map_err(|cause| cause.of_command(&service.config.label).into())
        }
        Err(error) => {
            failure.set(error.clone());
            Err(error)
        }
    };
    if let Err(error) = ended {
        service.operator.end(&error);
    }
}

/// What is done for those who listen.
struct Service {
    config: Arc<Config>,
    operator: Operator,
    /// What the server sends at the moment.
    granted: HashSet<Channel>,
}

enum Event {
    Heard(Result<Message, RecvError>),
    Errand(Errand),
    /// Nothing has happened for a while.
    Quiet,
}

impl Service {
    async fn connect(&self, settings: Settings) -> Result<(Client, Task), NodeError> {
        let limit = self.config.connect_timeout;
        let performance =
            PerformanceConfig { broadcast_channel_capacity: HEARD_AT_ONCE, ..Default::default() };
        let connection = self.config.connection(&settings);
        let connected = timeout(limit, connect(settings, performance, connection)).await;
        let connected = connected.unwrap_or(Err(Cause::Late(limit)));
        connected.map_err(|cause| cause.of_connecting(&self.config.label))
    }

    /// Until nobody listens any more.
    async fn serve(&mut self, client: Client) -> Result<(), Cause> {
        let mut messages = client.message_rx();
        let options = Options { max_attempts: Some(1), ..self.config.options() };
        let mut line = Line::new(client, options);
        loop {
            match self.next(&mut messages).await {
                Event::Heard(heard) => self.deliver(heard),
                Event::Errand(first) => self.run_errands(first, &mut line, &mut messages).await?,
                Event::Quiet if self.operator.close_if_idle() => return Ok(()),
                Event::Quiet => self.meanwhile(line.check(), &mut messages).await?,
            }
        }
    }

    async fn next(&mut self, messages: &mut Receiver<Message>) -> Event {
        let patience = if self.operator.is_idle() { GRACE } else { QUIET };
        let heard = pin!(messages.recv());
        let errand = pin!(self.operator.errand());
        match timeout(patience, future::select(heard, errand)).await {
            Ok(Either::Left((heard, _))) => Event::Heard(heard),
            Ok(Either::Right((errand, _))) => Event::Errand(errand),
            Err(_) => Event::Quiet,
        }
    }

    fn deliver(&self, heard: Result<Message, RecvError>) {
        match heard {
            Ok(Message { channel, value, .. }) => {
                self.operator.deliver(channel.as_bytes(), value.as_bytes().unwrap_or_default());
            }
            // There were more than the library keeps for this task: whoever they were for may have
            // missed something. An empty message says no more than that.
            Err(_) => {
                self.granted
                    .iter()
                    .for_each(|all| self.operator.deliver(all.as_str().as_bytes(), b""));
            }
        }
    }

    /// Goes on delivering until this is done.
    async fn meanwhile<T>(
        &self,
        work: impl Future<Output = T>,
        messages: &mut Receiver<Message>,
    ) -> T {
        let mut work = pin!(work);
        loop {
            let heard = match future::select(work.as_mut(), pin!(messages.recv())).await {
                Either::Left((done, _)) => return done,
                Either::Right((heard, _)) => heard,
            };
            self.deliver(heard);
        }
    }

    /// Runs this errand, and all that have come up with it: one answer of the server is for all.
    async fn run_errands(
        &mut self,
        first: Errand,
        line: &mut Line,
        messages: &mut Receiver<Message>,
    ) -> Result<(), Cause> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(errand) = next {
            match errand {
                Errand::Subscribe(channel) => wanted.push(channel),
                Errand::Unsubscribe(channel) => unwanted.push(channel),
            }
            next = self.operator.errand().now_or_never();
        }
        let answer = self.meanwhile(line.change(&wanted, &unwanted), messages).await?;
        unwanted.iter().for_each(|channel| self.unsubscribed(channel));
        match answer {
            Answer::Done => wanted.into_iter().for_each(|channel| self.subscribed(channel)),
            Answer::Refused(cause) if wanted.len() == 1 => self.refused(&wanted[0], cause),
            // One channel that is forbidden is enough for all of them to be refused.
            Answer::Refused(_) => {
                for channel in wanted {
                    let one = std::slice::from_ref(&channel);
                    match self.meanwhile(line.change(one, &[]), messages).await? {
                        Answer::Done => self.subscribed(channel),
                        Answer::Refused(cause) => self.refused(&channel, cause),
                    }
                }
            }
        }
        Ok(())
    }

    fn subscribed(&mut self, channel: Channel) {
        self.operator.subscribed(&channel);
        self.granted.insert(channel);
    }

    fn unsubscribed(&mut self, channel: &Channel) {
        self.operator.unsubscribed(channel);
        self.granted.remove(channel);
    }

    fn refused(&self, channel: &Channel, cause: Cause) {
        self.operator.refused(channel, &cause.of_command(&self.config.label).into());
    }
}

/// How many messages the library keeps while this task is not polled.
const HEARD_AT_ONCE: usize = 256;

/// After so long without a word a server is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(1);

/// How long a connection stays after its last listener: the next often comes at once.
const GRACE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use redlock_core::{Notice, Resource};
    use redlock_wire::Switchboard;

    use super::*;
    use crate::config::Origin;

    #[test]
    fn who_may_have_missed_something_is_told_that_much() {
        let config = Arc::new(Config::new("n", Origin::Settings(Box::default())));
        let (switchboard, operator) = Switchboard::new(Arc::clone(&config.label));
        let mut service = Service { config, operator, granted: HashSet::new() };
        let channel = |name| Channel::of(&Resource::new(name).unwrap());
        let [mut first, mut second, mut gone] =
            ["a", "b", "c"].map(|name| switchboard.join(channel(name)).unwrap());
        while service.operator.errand().now_or_never().is_some() {}
        ["a", "b", "c"].into_iter().for_each(|name| service.subscribed(channel(name)));
        service.unsubscribed(&channel("c"));

        service.deliver(Err(RecvError::Lagged(1)));
        let unnamed = Notice { holder: None, listeners: 1 };
        for subscription in [&mut first, &mut second] {
            assert_eq!(subscription.next().now_or_never(), Some(Some(unnamed)));
            assert_eq!(subscription.next().now_or_never(), None);
        }
        assert_eq!(gone.next().now_or_never(), None);
    }
}
