//! The first words on a new connection: [`introduce`].

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Resp3Frame, Value},
};
use futures::future::join_all;
use redlock_core::Identity;
use redlock_wire::{Here, INFO_SECTIONS, Introduction, Reply, Script, Unfit};

use crate::{
    config::{Config, Eviction},
    error::Cause,
    link::send,
    lock_node::reply,
};

/// Asks who the server is, whether it may vote, how far back it remembers and what its clock shows,
/// and loads the scripts.
///
/// A server may refuse any of it: it then stays unknown, and counts; scripts are sent when first
/// needed. The servers of a cluster are not asked: none of them is the whole of it, and each has
/// scripts of its own.
pub(crate) async fn introduce(client: &Client, config: &Config) -> Result<Option<Identity>, Cause> {
    if client.is_clustered() {
        return Ok(None);
    }
    let infos = INFO_SECTIONS.into_iter().map(|section| ("INFO", vec![Value::from(section)]));
    let loads = Script::ALL
        .into_iter()
        .map(|script| ("SCRIPT", vec!["LOAD".into(), Value::from_static_str(script.body())]));
    let clock = [("TIME", vec![])];
    let options = config.options();
    let sent = Here::now();
    let asked = infos.chain(clock).chain(loads).map(|(name, words)| {
        let command = CustomCommand::new_static(name, ClusterHash::Random, false);
        send(client, &options, command, words)
    });
    let answers = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut answers = answers.into_iter();
    let [server, memory, replication, persistence] =
        INFO_SECTIONS.map(|_| answers.next().map(text).unwrap_or_default());
    fit(&memory, &replication, config.eviction)?;
    let clock = answers.next().and_then(|clock| reply(clock).ok()).unwrap_or(Reply::Odd);
    let introduction = Introduction::new(&server, &persistence, &clock, sent);
    config.voting.met(&introduction);
    Ok(introduction.identity())
}

/// Whether a server that tells this of itself may vote.
fn fit(memory: &str, replication: &str, eviction: Eviction) -> Result<(), Cause> {
    let memory = match eviction {
        Eviction::Refused => Unfit::by_memory(memory),
        Eviction::Allowed => None,
    };
    Unfit::by_role(replication).or(memory).map_or(Ok(()), |unfit| Err(Cause::Unfit(unfit)))
}

/// What was told, if it is a text; nothing, if the server would not tell.
pub(crate) fn text(answer: Resp3Frame) -> String {
    match answer {
        Resp3Frame::BlobString { data, .. } | Resp3Frame::VerbatimString { data, .. } => {
            String::from_utf8_lossy(&data).into_owned()
        }
        _ => String::new(),
    }
}
