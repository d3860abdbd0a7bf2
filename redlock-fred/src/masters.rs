use std::sync::Arc;

use fred::{
    types::{ClusterHash, CustomCommand, config::Server},
    util::redis_keyslot,
};
use redlock_core::{FailureKind, NodeError};
use redlock_wire::{Command, Exchange, Masters, Reply, Trouble};

use crate::lock_node::{Line, reply, words};

impl Masters for Line<'_> {
    /// As the library found them when it last looked: when it connected, or a server sent it
    /// elsewhere.
    async fn masters(&mut self) -> Result<Vec<String>, Trouble> {
        let masters = self.session.masters().ok_or_else(|| not_a_cluster(self.label()))?;
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
