use redis::{
    FromRedisValue, Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
};
use redlock_wire::{Command, Exchange, Look, Masters, Reply, Trouble, masters_missing};

use crate::{
    error::not_a_cluster,
    lock_node::Line,
    packing::{packed, reply},
};

impl Masters for Line<'_> {
    /// All of them answer, or nobody is told: the library says which they are by what they say.
    async fn masters(&mut self, look: Look) -> Result<Vec<String>, Trouble> {
        let mut question = redis::cmd("CLUSTER");
        question.arg(look.question());
        let told = match self.link.ask_at(&mut self.session, question, ALL_MASTERS).await {
            Ok(Value::Map(told)) => told,
            Ok(_) => return Err(not_a_cluster(self.label()).into()),
            Err(cause) => return Err(cause.of_command(self.label())),
        };
        let text = |value| String::from_redis_value(value).unwrap_or_default();
        let (masters, answers): (Vec<_>, Vec<_>) =
            told.into_iter().map(|(address, answer)| (text(address), text(answer))).unzip();
        match look.finds_all(masters.len(), &answers) {
            None => Err(not_a_cluster(self.label()).into()),
            Some(true) => Ok(masters),
            // The library asks those that it has a connection to, and keeps quiet about the others.
            Some(false) => {
                // It looks for them when it is told that one is no master, whatever was asked. Whoever
                // only lists would not find that out.
                let mut question = redis::cmd("EVAL");
                question.arg("return {err = 'READONLY look for the masters'}").arg(0);
                let _ = self.link.ask_at(&mut self.session, question, ALL_MASTERS).await;
                Err(masters_missing(self.label()).into())
            }
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
