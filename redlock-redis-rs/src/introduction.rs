//! The first words on a new connection: [`introduce`].

use std::time::Instant;

use redis::{FromRedisValue, Value};
use redlock_wire::{INFO_SECTIONS, Introduction, Script, Unfit};

use crate::{config::Eviction, connection::Connection, error::Cause, packing::reply};

/// Asks who the server is, whether it may vote, how far back it remembers and what its clock shows,
/// and loads the scripts, in one round trip.
///
/// A server may refuse any of it: it then stays unknown, and counts; scripts are sent when first
/// needed.
pub(crate) async fn introduce(
    connection: &mut Connection,
    eviction: Eviction,
) -> Result<Introduction, Cause> {
    let mut commands = redis::pipe();
    for section in INFO_SECTIONS {
        commands.cmd("INFO").arg(section);
    }
    commands.cmd("TIME");
    for script in Script::ALL {
        commands.cmd("SCRIPT").arg("LOAD").arg(script.body());
    }
    let asked = Instant::now();
    let mut answers = connection.send_all(&commands).await?.into_iter();
    let [server, memory, replication, persistence] =
        INFO_SECTIONS.map(|_| answers.next().map(text).unwrap_or_default());
    fit(&memory, &replication, eviction)?;
    let clock = answers.next().unwrap_or(Value::Nil);
    Ok(Introduction::new(&server, &persistence, &reply(clock), asked))
}

/// Whether a server that tells this of itself may vote.
fn fit(memory: &str, replication: &str, eviction: Eviction) -> Result<(), Unfit> {
    let memory = match eviction {
        Eviction::Refused => Unfit::by_memory(memory),
        Eviction::Allowed => None,
    };
    Unfit::by_role(replication).or(memory).map_or(Ok(()), Err)
}

/// What was told, if it is a text; nothing, if the server would not tell.
fn text(answer: Value) -> String {
    String::from_redis_value(answer).unwrap_or_default()
}
