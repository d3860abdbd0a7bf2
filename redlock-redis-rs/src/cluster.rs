//! A cluster as one node: [`Seeds`].

use std::time::Duration;

use futures::{
    FutureExt,
    future::{self, join_all},
};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, FromRedisValue, RedisResult, Value,
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};
use redlock_wire::{Script, Unfit, UrlError, UrlProblem};
use tokio::time::timeout;

use crate::{
    config::{Config, Eviction},
    connection::Connection,
    dial::Dialled,
    error::Cause,
};

/// Servers of a cluster that tell where the others are.
#[derive(Clone)]
pub(crate) struct Seeds(Vec<ConnectionInfo>);

impl Seeds {
    /// Fails if they cannot be of one cluster: with different users, say.
    pub(crate) fn new(seeds: Vec<ConnectionInfo>) -> Result<Self, UrlError> {
        for (index, seed) in seeds.iter().enumerate() {
            if let ConnectionAddr::Unix(_) = seed.addr() {
                return Err(UrlError::from(UrlProblem::Socket).at(index));
            }
            // The library tells whether they go together, and not which of them does not.
            let so_far = Self(seeds.iter().take(index + 1).cloned().collect());
            if so_far.client(Duration::MAX, Duration::MAX).is_err() {
                return Err(UrlError::from(UrlProblem::Mixed).at(index));
            }
        }
        Ok(Self(seeds))
    }

    /// The same servers, connected to in another way.
    pub(crate) fn reached(&self, by: impl FnMut(ConnectionInfo) -> ConnectionInfo) -> Self {
        Self(self.0.iter().cloned().map(by).collect())
    }

    /// A client for each of these servers.
    pub(crate) fn clients(&self) -> RedisResult<Vec<Client>> {
        self.0.iter().cloned().map(Client::open).collect()
    }

    /// Connects to the masters of the cluster, as far as they are there.
    pub(crate) async fn dial(&self, config: &Config) -> Result<Dialled, Cause> {
        // One server that hangs is found out while there is still time for the others.
        let share = config.connect_timeout / 4;
        let client = self.client(share, config.response_timeout)?;
        let connection = Connection::Cluster(client.get_async_connection().await?);
        // The library reconnects, and runs a task for that.
        Ok(Dialled { connection, driver: future::pending().boxed() })
    }

    fn client(&self, connect: Duration, respond: Duration) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClient::builder(self.0.iter().cloned())
            // It would send a command again of which it does not know whether it was carried out
            // (requirement R20).
            .retries(0)
            .connection_timeout(connect)
            .response_timeout(respond);
        if let Some(first) = self.0.first() {
            builder = builder.tcp_settings(first.tcp_settings().clone());
        }
        builder.build()
    }
}

/// Asks all masters whether they may vote, and loads the scripts on each.
///
/// Those that do not answer, or may not, are taken to be fit, as a server alone would be.
pub(crate) async fn introduce(
    cluster: &ClusterConnection,
    eviction: Eviction,
    patience: Duration,
) -> Result<(), Cause> {
    let everywhere = |words: [&str; 2]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        ask_masters(cluster.clone(), command, patience)
    };
    let loads = Script::ALL.map(|script| {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(script.body());
        ask_masters(cluster.clone(), command, patience)
    });
    let (memory, _) = future::join(everywhere(["INFO", "memory"]), join_all(loads)).await;
    match memory.iter().find_map(|info| Unfit::by_memory(info)) {
        Some(unfit) if eviction == Eviction::Refused => Err(unfit.into()),
        _ => Ok(()),
    }
}

/// What the masters answer, as far as it is text.
async fn ask_masters(
    mut cluster: ClusterConnection,
    command: redis::Cmd,
    patience: Duration,
) -> Vec<String> {
    let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let asked = timeout(patience, cluster.route_command(command, masters)).await;
    let Ok(Ok(Value::Map(answers))) = asked else { return Vec::new() };
    answers.into_iter().filter_map(|(_, text)| String::from_redis_value(text).ok()).collect()
}
