//! The life of one connection: [`run`].

use std::{io, pin::pin, sync::Arc};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{self, BoxFuture, Either},
};
use redis::RedisError;
use redlock_core::{FailureKind, NodeError};
use redlock_wire::Introduction;
use tokio::time::timeout;

use crate::{
    carrier,
    config::{Config, Origin},
    connection::Connection,
    dial::{Dialled, dial},
    error::Cause,
    introduction::introduce,
    link::{Session, Tenancy, Way},
    outbox::Outbox,
};

/// Makes a connection, tells how that went, and keeps it working until it ends or is no longer
/// wanted.
///
/// A task of its own, the only one that a node has: callers may be dropped or not polled at any
/// time, and must not hold up those who wait for the same connection.
pub(crate) async fn run(
    config: Config,
    tenancy: Tenancy,
    report: oneshot::Sender<Result<Session, NodeError>>,
    unwanted: oneshot::Receiver<()>,
) {
    let life = async {
        let opened = match timeout(config.connect_timeout, open(&config)).await {
            Ok(opened) => opened,
            Err(_) => Err(Cause::Late(config.connect_timeout)),
        };
        match opened {
            Ok(Opened { connection, introduced, driver }) => {
                let (way, life) = if config.origin.is_own() {
                    let outbox = Arc::new(Outbox::new(connection, config.response_timeout));
                    let way = Way::Together(Arc::clone(&outbox));
                    (way, carrier::run(outbox, driver).boxed())
                } else {
                    (Way::Alone(connection), driver)
                };
                // Nobody waits any more if this fails.
                let _ = report.send(Ok(tenancy.connected(way, &introduced)));
                life.await;
            }
            Err(trouble) => {
                let broken = match config.origin {
                    Origin::Multiplexed(_) => FailureKind::Closed,
                    _ => FailureKind::Unreachable,
                };
                let error = trouble.of_connecting(&config.label, broken);
                tenancy.failed(error.clone());
                let _ = report.send(Err(error));
            }
        }
    };
    future::select(pin!(life), unwanted).await;
    // What is dropped here tells the link that this connection is gone; so does dropping the task,
    // when its runtime ends.
}

struct Opened {
    connection: Connection,
    introduced: Introduction,
    driver: BoxFuture<'static, ()>,
}

async fn open(config: &Config) -> Result<Opened, Cause> {
    let Dialled { mut connection, mut driver } = dial(config).await?;
    let introduced = {
        let introduction = pin!(get_acquainted(&mut connection, config));
        match future::select(introduction, &mut driver).await {
            Either::Left((introduced, _)) => introduced?,
            // The connection has ended, and has told the introduction why.
            Either::Right(((), introduction)) => {
                introduction.await?;
                let ended = io::Error::from(io::ErrorKind::BrokenPipe);
                return Err(RedisError::from(ended).into());
            }
        }
    };
    Ok(Opened { connection, introduced, driver })
}

async fn get_acquainted(
    connection: &mut Connection,
    config: &Config,
) -> Result<Introduction, Cause> {
    #[cfg(feature = "cluster")]
    if let Connection::Cluster(cluster) = connection {
        // Many servers have many identities, and change: none is the cluster's.
        let patience = config.connect_timeout / 4;
        return crate::cluster::introduce(cluster, config.eviction, patience)
            .await
            .map(|()| Introduction::of_a_stranger());
    }
    introduce(connection, config.eviction).await
}
