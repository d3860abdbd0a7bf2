//! Making connections: [`dial`].

use std::io;

use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::SockRef},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};

use crate::{
    config::{Config, Origin},
    connection::Connection,
    error::Cause,
};

/// A connection, and what must be polled for it to work.
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    /// Completes when the connection has ended; never, if somebody else takes care of that.
    pub(crate) driver: BoxFuture<'static, ()>,
}

/// Connects and logs in.
pub(crate) async fn dial(config: &Config) -> Result<Dialled, Cause> {
    match &config.origin {
        Origin::Client(client) => Ok(call(client).await?),
        #[cfg(feature = "sentinel")]
        Origin::Sentinel(watched) => watched.dial().await,
        #[cfg(feature = "cluster")]
        Origin::Cluster(seeds) => seeds.dial(config).await,
        Origin::Manager(manager) => Ok(Dialled {
            connection: Connection::Manager(manager.clone()),
            driver: future::pending().boxed(),
        }),
        Origin::Multiplexed(connection) => Ok(driven_elsewhere(connection.clone())),
    }
}

/// Makes the stream here where that is possible, because only who polls the driver learns at once
/// that an idle connection has ended: otherwise the first vote after a server's restart is lost.
pub(crate) async fn call(client: &Client) -> RedisResult<Dialled> {
    let info = client.get_connection_info();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = tcp(host, *port, info.tcp_settings()).await?;
            over(stream, info).await
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            over(stream, info).await
        }
        // The library keeps its TLS settings to itself.
        _ => client
            .get_multiplexed_async_connection_with_config(&untimed())
            .await
            .map(driven_elsewhere),
    }
}

async fn over<S>(stream: S, info: &ConnectionInfo) -> RedisResult<Dialled>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (connection, driver) =
        MultiplexedConnection::new_with_config(info.redis_settings(), stream, untimed()).await?;
    Ok(Dialled { connection: Connection::Multiplexed(connection), driver: driver.boxed() })
}

/// Tries all addresses of a host at once, so that one which swallows packets holds up none.
pub(crate) async fn tcp(host: &str, port: u16, settings: &TcpSettings) -> io::Result<TcpStream> {
    let attempts: Vec<_> = lookup_host((host, port))
        .await?
        .map(|address| TcpStream::connect(address).boxed())
        .collect();
    if attempts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    let (stream, _) = future::select_ok(attempts).await?;
    stream.set_nodelay(settings.nodelay())?;
    let socket = SockRef::from(&stream);
    if let Some(probes) = settings.keepalive() {
        socket.set_tcp_keepalive(probes)?;
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(settings.user_timeout())?;
    Ok(stream)
}

fn driven_elsewhere(connection: MultiplexedConnection) -> Dialled {
    Dialled { connection: Connection::Multiplexed(connection), driver: future::pending().boxed() }
}

/// The timeouts are this crate's own, the same for every kind of connection.
pub(crate) fn untimed() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(ROOM)
}

/// So many commands may wait for the driver of a connection. Who finds no room waits, and once there
/// is some again, whoever is polled first has it and not who came first: a release could be sent
/// before its acquire (requirement R19). So there is always room.
const ROOM: usize = 1 << 16;
