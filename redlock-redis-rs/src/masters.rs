use redis::{
    FromRedisValue, Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
};
use redlock_wire::{Command, Exchange, Masters, Reply, Trouble, cluster_size, masters_missing};

use crate::{
    error::not_a_cluster,
    lock_node::Line,
    packing::{packed, reply},
};

impl Masters for Line<'_> {
    /// All of them answer, or nobody is told: the library says which they are by what they say.
    async fn masters(&mut self) -> Result<Vec<String>, Trouble> {
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        let answers = match self.link.ask_at(&mut self.session, info, ALL_MASTERS).await {
            Ok(Value::Map(answers)) => answers,
            Ok(_) => return Err(not_a_cluster(self.label()).into()),
            Err(cause) => return Err(cause.of_command(self.label())),
        };
        let (mut masters, mut most) = (Vec::new(), None);
        for (address, info) in answers {
            masters.extend(String::from_redis_value(address).ok());
            most = most.max(String::from_redis_value(info).ok().as_deref().and_then(cluster_size));
        }
        match most {
            None => Err(not_a_cluster(self.label()).into()),
            // The library asks those that it has a connection to, and keeps quiet about the others.
            Some(all) if masters.len() < all => {
                // It looks for them when it is told that a key lies elsewhere, as all but one tell
                // of any key. Whoever only lists would not find that out.
                let mut question = redis::cmd("PTTL");
                question.arg("redlocks:");
                let _ = self.link.ask_at(&mut self.session, question, ALL_MASTERS).await;
                Err(masters_missing(self.label()).into())
            }
            Some(_) => Ok(masters),
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

const ALL_MASTERS: RoutingInfo =
    RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
