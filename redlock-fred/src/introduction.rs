//! What is said first on a new connection: [`introduce`].

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Resp3Frame, Value},
};
use futures::future::join_all;
use redlock_core::Identity;
use redlock_wire::{Script, run_id};

use crate::{config::Config, error::Cause, link::send};

/// Asks who the server is, and loads the scripts.
///
/// A server may refuse either: it then stays unknown, and scripts are sent when first needed. The
/// servers of a cluster are not asked: none of them is the whole of it, and each has scripts of its
/// own.
pub(crate) async fn introduce(client: &Client, config: &Config) -> Result<Option<Identity>, Cause> {
    if client.is_clustered() {
        return Ok(None);
    }
    let info = ("INFO", vec![Value::from("server")]);
    let loads = Script::ALL
        .into_iter()
        .map(|script| ("SCRIPT", vec!["LOAD".into(), Value::from_static_str(script.body())]));
    let options = config.options();
    let asked = [info].into_iter().chain(loads).map(|(name, words)| {
        let command = CustomCommand::new_static(name, ClusterHash::Random, false);
        send(client, &options, command, words)
    });
    let mut identity = None;
    for answer in join_all(asked).await {
        let (Resp3Frame::BlobString { data, .. } | Resp3Frame::VerbatimString { data, .. }) =
            answer?
        else {
            continue;
        };
        identity = identity.or_else(|| run_id(&String::from_utf8_lossy(&data)));
    }
    Ok(identity)
}
