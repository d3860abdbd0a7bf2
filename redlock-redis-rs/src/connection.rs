use std::{future::Future, pin::pin, time::Duration};

use futures::future::{Either, select};
use redis::{
    Cmd, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, MultiplexedConnection},
};
use tokio::time::sleep;

use crate::error::Cause;

/// A handle to one connection that many calls share; cheap to clone.
#[derive(Clone)]
pub(crate) enum Connection {
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
    Manager(ConnectionManager),
    Multiplexed(MultiplexedConnection),
}

impl Connection {
    /// Whether it is of no more use after this error.
    pub(crate) fn is_lost_by(&self, error: &RedisError) -> bool {
        match self {
            // It replaces what it consists of by itself.
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => false,
            _ => is_lost_by(error),
        }
    }

    /// Sends a command and reads its answer; an error answered by the server is an error.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
            Self::Manager(manager) => manager.send_packed_command(command).await,
            Self::Multiplexed(connection) => connection.send_packed_command(command).await,
        }?
        .extract_error()
    }

    /// [`send`](Self::send), within a limit of time.
    pub(crate) async fn send_within(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, Cause> {
        within(limit, self.send(command)).await
    }

    /// Sends a command where the routing says, if this is a cluster, and reads its answer, within a
    /// limit of time.
    #[cfg(feature = "cluster")]
    pub(crate) async fn route_within(
        &mut self,
        command: Cmd,
        routing: redis::cluster_routing::RoutingInfo,
        limit: Duration,
    ) -> Result<Value, Cause> {
        let Self::Cluster(cluster) = self else { return self.send_within(&command, limit).await };
        let routed = async { cluster.route_command(command, routing).await?.extract_error() };
        within(limit, routed).await
    }

    /// Sends commands at once and reads their answers; those that are errors stay among them.
    pub(crate) async fn send_all(&mut self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        match self {
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.req_packed_commands(commands, 0, count).await,
            Self::Manager(manager) => manager.req_packed_commands(commands, 0, count).await,
            Self::Multiplexed(connection) => {
                connection.req_packed_commands(commands, 0, count).await
            }
        }
    }

    /// [`send_all`](Self::send_all), within a limit of time.
    pub(crate) async fn send_all_within(
        &mut self,
        commands: &Pipeline,
        limit: Duration,
    ) -> Result<Vec<Value>, Cause> {
        within(limit, self.send_all(commands)).await
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> Result<T, Cause> {
    // What is sent is large, and not moved like this.
    match select(pin!(answer), pin!(sleep(limit))).await {
        Either::Left((answer, _)) => answer.map_err(Cause::Redis),
        Either::Right(_) => Err(Cause::Late(limit)),
    }
}

/// Whether a connection to one server is of no more use after this error.
pub(crate) fn is_lost_by(error: &RedisError) -> bool {
    // A replica now: the name that was connected to may lead to the master by now.
    error.is_unrecoverable_error() || error.code() == Some("READONLY")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_there_at_the_deadline_is_not_late() {
        let limit = Duration::from_millis(50);
        let answer = async {
            yield_now().await;
            thread::sleep(2 * limit);
            // The timer is looked at before this goes on.
            yield_now().await;
            Ok(())
        };
        assert!(within(limit, answer).await.is_ok());
    }
}
