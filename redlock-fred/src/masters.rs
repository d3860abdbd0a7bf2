use std::sync::Arc;

use fred::{
    types::{ClusterHash, CustomCommand, config::Server},
    util::redis_keyslot,
};
use futures::future::try_join_all;
use redlock_core::{FailureKind, NodeError};
use redlock_wire::{Command, Exchange, Look, Masters, Reply, Trouble, masters_missing};

use crate::{
    introduction::text,
    lock_node::{Line, reply, words},
};

impl Masters for Line<'_> {
    /// As the library found them when it last looked: when it connected, or a server sent it
    /// elsewhere. One of them is asked whether that is all, or each.
    async fn masters(&mut self, look: Look) -> Result<Vec<String>, Trouble> {
        let masters = self.session.masters().ok_or_else(|| not_a_cluster(self.label()))?;
        let asked = match look {
            Look::Count => masters.get(..1),
            Look::Slots => masters.get(..),
        };
        let answers = asked.unwrap_or_default().iter().map(|master| self.ask(master, look));
        let answers = try_join_all(answers).await?;
        match look.finds_all(masters.len(), &answers) {
            None => Err(not_a_cluster(self.label()).into()),
            Some(true) => Ok(masters.iter().map(ToString::to_string).collect()),
            Some(false) => {
                self.session.look_for_masters(self.link.config.response_timeout).await;
                Err(masters_missing(self.label()).into())
            }
        }
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
        let answer = answer.and_then(reply).map_err(|cause| cause.of_command(self.label()));
        if answer.as_ref().is_err_and(|trouble| trouble.code() == Some("READONLY")) {
            // It is a replica by now, or some of what it has is elsewhere. Nobody else need connect anew
            // for that, but whoever only lists would not find the others.
            self.session.look_for_masters(self.link.config.response_timeout).await;
        }
        answer
    }
}

impl Line<'_> {
    async fn ask(&self, master: &Server, look: Look) -> Result<String, Trouble> {
        let (command, words) = (
            CustomCommand::new_static("CLUSTER", ClusterHash::Custom(0), false),
            vec![look.question().into()],
        );
        let told = self.link.ask_at(&self.session, master.clone(), command, words).await;
        let told = told.and_then(|told| reply(told.clone()).map(|_| text(told)));
        told.map_err(|cause| cause.of_command(self.label()))
    }
}

/// What the client tells of the servers of the cluster is nothing that it should.
fn not_a_cluster(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Protocol)
        .with_source("the client does not tell where the masters of the cluster are")
}
