//! A master that has been replaced while its connection goes on: [`until_replaced`].

use std::time::Duration;

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        ClusterHash, CustomCommand,
        config::{Config as Settings, Options, PerformanceConfig},
    },
};
use futures::future;
use redlock_core::Identity;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    attempt::{Opened, open},
    config::{Config, rotated},
    link::send,
};

/// Completes when the server, after a late answer, goes on not answering until the sentinels lead
/// to another one; never without sentinels.
///
/// A process that hangs keeps its connections, so their end tells nothing. While the sentinels name
/// the server still, its connection stays: what was sent on it comes before what will be.
pub(crate) async fn until_replaced(
    config: &Config,
    settings: &Settings,
    client: &Client,
    identity: Option<Identity>,
    doubt: &Notify,
) {
    if !settings.server.is_sentinel() {
        return future::pending().await;
    }
    let mut attempts = 0;
    loop {
        doubt.notified().await;
        while !answers(config, client).await {
            let settings = rotated(settings.clone(), attempts);
            attempts += 1;
            // One that may vote, or there is nothing to leave this one for.
            let opening = open(config, settings, PerformanceConfig::default());
            let led = timeout(config.connect_timeout, opening).await;
            if led.is_ok_and(|led| led.is_ok_and(|led| is_another(&led, client, identity))) {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

/// By who they say they are; by where they are, if they may not say that.
fn is_another(led: &Opened, client: &Client, identity: Option<Identity>) -> bool {
    match (led.identity, identity) {
        (Some(found), Some(known)) => found != known,
        _ => led.client.active_connections() != client.active_connections(),
    }
}

/// Whether the server answers, be it with an error.
async fn answers(config: &Config, client: &Client) -> bool {
    let options = Options { timeout: Some(PATIENCE), ..config.options() };
    let ping = CustomCommand::new_static("PING", ClusterHash::Random, false);
    send(client, &options, ping, Vec::new()).await.is_ok()
}

/// How long a server in doubt may take to answer.
const PATIENCE: Duration = Duration::from_millis(250);

/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(100);
