use std::sync::Arc;

use fred::{
    types::{ClusterHash, CustomCommand, config::Server},
    util::redis_keyslot,
};
use redlock_core::{FailureKind, NodeError};
use redlock_wire::{Command, Exchange, Masters, Reply, Trouble, cluster_size, masters_missing};

use crate::{
    introduction::text,
    lock_node::{Line, reply, words},
};

impl Masters for Line<'_> {
    /// As the library found them when it last looked: when it connected, or a server sent it
    /// elsewhere. One of them is asked whether that is all.
    async fn masters(&mut self) -> Result<Vec<String>, Trouble> {
        let masters = self.session.masters().ok_or_else(|| not_a_cluster(self.label()))?;
        let Some(first) = masters.first() else { return Ok(Vec::new()) };
        let info = CustomCommand::new_static("CLUSTER", ClusterHash::Custom(0), false);
        let told = self.link.ask_at(&self.session, first.clone(), info, vec!["INFO".into()]).await;
        let told = told.and_then(|told| reply(told.clone()).map(|_| text(told)));
        let told = told.map_err(|cause| cause.of_command(self.label()))?;
        let all = cluster_size(&told).ok_or_else(|| not_a_cluster(self.label()))?;
        if masters.len() < all {
            self.session.look_for_masters(self.link.config.response_timeout).await;
            return Err(masters_missing(self.label()).into());
        }
        Ok(masters.iter().map(ToString::to_string).collect())
    }

    async fn send_to(&mut self, master: &str, command: Command<'_>) -> Result<Reply, Trouble> {
        let address = master.rsplit_once(':');
        let address = address.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port): (&str, u16) = address.ok_or_else(|| not_a_cluster(self.label()))?;
        // Not looked at where the server is named, but there must be one.
        let slot = ClusterHash::Custom(redis_keyslot(command.key().as_str().as_bytes()));
        let words = words(command);
        let command = CustomCommand::new_static(command.name(), slot, false);
        let server = Server::new(host, port);
        let answer = self.link.ask_at(&self.session, server, command, words).await;
        answer.and_then(reply).map_err(|cause| cause.of_command(self.label()))
    }
}

/// What the client tells of the servers of the cluster is nothing that it should.
fn not_a_cluster(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Protocol)
        .with_source("the client does not tell where the masters of the cluster are")
}
