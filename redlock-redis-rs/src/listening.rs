//! Connections to listen on: [`listen`].

use std::{io, sync::Arc};

use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use redis::{Client, ConnectionAddr, RedisError, RedisResult, aio::PubSub};

use crate::{config::Origin, dial::tcp, error::Cause};

/// A connection that hears what is published at a server.
pub(crate) struct Listening {
    pub(crate) connection: PubSub,
    /// Whether the server is still the one to listen to; it may have to be asked elsewhere.
    pub(crate) is_right: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// Connects and logs in, if this origin tells how.
pub(crate) async fn listen(origin: &Origin) -> Result<Listening, Cause> {
    match origin {
        Origin::Client(client) => Ok(to_one_server(call(client).await?)),
        #[cfg(feature = "sentinel")]
        Origin::Sentinel(watched) => watched.listen().await,
        #[cfg(feature = "cluster")]
        Origin::Cluster(seeds) => {
            // What is published at one server of a cluster is heard at all: any will do. One that
            // hangs holds up nothing.
            let calls = seeds.clients()?.into_iter();
            let calls = calls.map(|client| async move { call(&client).await }.boxed());
            Ok(to_one_server(future::select_ok(calls).await?.0))
        }
        // Nodes are not made so, since nothing tells how to connect.
        Origin::Manager(_) | Origin::Multiplexed(_) => {
            Err(RedisError::from(io::Error::from(io::ErrorKind::Unsupported)).into())
        }
    }
}

/// Makes a connection to listen on, with the client's settings for TCP.
pub(crate) async fn call(client: &Client) -> RedisResult<PubSub> {
    let info = client.get_connection_info();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = tcp(host, *port, info.tcp_settings()).await?;
            PubSub::new(info.redis_settings(), stream).await
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            PubSub::new(info.redis_settings(), stream).await
        }
        // The library keeps its TLS settings to itself.
        _ => client.get_async_pubsub().await,
    }
}

fn to_one_server(connection: PubSub) -> Listening {
    Listening { connection, is_right: Arc::new(|| future::ready(true).boxed()) }
}
