//! The life of one connection: [`run`].

use std::{pin::pin, sync::Arc};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        ConnectHandle,
        config::{Config as Settings, ConnectionConfig, PerformanceConfig},
    },
};
use futures::{
    channel::oneshot,
    future::{self, Either},
};
use redlock_core::{Identity, NodeError};
use tokio::{sync::Notify, time::timeout};

use crate::{
    config::Config,
    error::Cause,
    introduction::introduce,
    link::{Session, Tenancy},
    replaced::until_replaced,
};

/// Makes a connection, tells how that went, and keeps it until it ends or is no longer wanted.
///
/// A task of its own, beside the one that the library has for each client: callers may be dropped
/// or not polled at any time, and must not hold up those who wait for the same connection.
///
/// The client may not connect a second time. So nothing that was sent to one connection, or waits
/// to be, can ever be sent to the next.
pub(crate) async fn run(
    config: Arc<Config>,
    settings: Settings,
    tenancy: Tenancy,
    report: oneshot::Sender<Result<Session, NodeError>>,
    unwanted: oneshot::Receiver<()>,
    doubt: Arc<Notify>,
) {
    let life = async {
        let opening = open(&config, settings.clone());
        let opened = match timeout(config.connect_timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Cause::Late(config.connect_timeout)),
        };
        match opened {
            Ok(Opened { client, identity, mut task }) => {
                let replaced = pin!(until_replaced(&config, &settings, &client, identity, &doubt));
                // Nobody waits any more if this fails.
                let _ = report.send(Ok(tenancy.connected(client.clone(), identity)));
                future::select(&mut task.0, replaced).await;
            }
            Err(cause) => {
                let error = cause.of_connecting(&config.label);
                tenancy.failed(error.clone());
                let _ = report.send(Err(error));
            }
        }
    };
    future::select(pin!(life), unwanted).await;
    // What is dropped here ends the client's task, and tells the link that this connection is gone;
    // so does dropping this task, when its runtime ends.
}

pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) identity: Option<Identity>,
    task: Task,
}

/// The task of a client, with its connections: ended when dropped.
pub(crate) struct Task(pub(crate) ConnectHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects, logs in, and gets acquainted. Dropped, what this gives ends the connection.
pub(crate) async fn open(config: &Config, settings: Settings) -> Result<Opened, Cause> {
    let connection = config.connection(&settings);
    let (client, mut task) = connect(settings, PerformanceConfig::default(), connection).await?;
    let identity = match future::select(pin!(introduce(&client, config)), &mut task.0).await {
        Either::Left((identity, _)) => identity?,
        Either::Right((ended, _)) => return Err(Cause::of_end(ended)),
    };
    Ok(Opened { client, identity, task })
}

/// Connects and logs in. Dropped, the task ends the connection.
pub(crate) async fn connect(
    settings: Settings,
    performance: PerformanceConfig,
    connection: ConnectionConfig,
) -> Result<(Client, Task), Cause> {
    // The first error is the answer: there is no second attempt that could hide it.
    let settings = Settings { fail_fast: true, ..settings };
    let client = Client::new(settings, Some(performance), Some(connection), None);
    // Listens before there is anything to hear, so that no news is missed.
    let mut connected = pin!(client.wait_for_connect());
    let _ = futures::poll!(&mut connected);
    let task = Task(client.connect());
    connected.await.map_err(Cause::Fred)?;
    Ok((client.clone(), task))
}
