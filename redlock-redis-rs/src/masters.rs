use redis::{
    FromRedisValue, Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
};
use redlock_wire::{Command, Exchange, Masters, Reply, Trouble};

use crate::{
    error::not_a_cluster,
    lock_node::Line,
    packing::{packed, reply},
};

impl Masters for Line<'_> {
    /// All of them answer, or nobody is told: the library says which they are by what they say.
    async fn masters(&mut self) -> Result<Vec<String>, Trouble> {
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let ping = redis::cmd("PING");
        match self.link.ask_at(&mut self.session, ping, everywhere).await {
            Ok(Value::Map(answers)) => {
                let address = |(address, _)| String::from_redis_value(address).ok();
                Ok(answers.into_iter().filter_map(address).collect())
            }
            Ok(_) => Err(not_a_cluster(self.label()).into()),
            Err(cause) => Err(cause.of_command(self.label())),
        }
    }

    async fn send_to(&mut self, master: &str, command: Command<'_>) -> Result<Reply, Trouble> {
        let address = master.rsplit_once(':');
        let address = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let Some((host, port)) = address else { return Err(not_a_cluster(self.label()).into()) };
        let there = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        match self.link.ask_at(&mut self.session, packed(command), there).await {
            Ok(value) => Ok(reply(value)),
            Err(cause) => Err(cause.of_command(self.label())),
        }
    }
}
