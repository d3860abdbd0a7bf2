//! The first words on a new connection: [`introduce`].

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Resp3Frame, Value},
};
use futures::future::join_all;
use redlock_core::Identity;
use redlock_wire::{Here, INFO_SECTIONS, Introduction, Reply, Script, Unfit, is_reticence};

use crate::{
    config::{Config, Eviction},
    error::Cause,
    link::send,
    lock_node::reply,
};

/// Asks who the server is, whether it may vote, how far back it remembers and what its clock shows,
/// and loads the scripts.
///
/// A server may [refuse](is_reticence) any of it: it then stays unknown, and counts; scripts are sent
/// when first needed. One that cannot tell just now is not connected to yet. The servers of a cluster are not asked: none of them is the whole of it, and each has
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
    let mut next = || told(answers.next().unwrap_or(Resp3Frame::Null));
    let [server, memory, replication, persistence] = [next()?, next()?, next()?, next()?].map(text);
    let clock = reply(next()?).unwrap_or(Reply::Odd);
    fit(&memory, &replication, config.eviction)?;
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

/// An answer; nil, if the server does not tell.
fn told(answer: Resp3Frame) -> Result<Resp3Frame, Cause> {
    let said = match &answer {
        Resp3Frame::SimpleError { data, .. } => data.to_string(),
        Resp3Frame::BlobError { data, .. } => String::from_utf8_lossy(data).into_owned(),
        _ => return Ok(answer),
    };
    let code = said.split(' ').next().unwrap_or_default();
    if is_reticence(code) { Ok(Resp3Frame::Null) } else { Err(Cause::Said(said)) }
}

/// What was told, if it is a text; nothing otherwise.
pub(crate) fn text(answer: Resp3Frame) -> String {
    match answer {
        Resp3Frame::BlobString { data, .. } | Resp3Frame::VerbatimString { data, .. } => {
            String::from_utf8_lossy(&data).into_owned()
        }
        _ => String::new(),
    }
}
