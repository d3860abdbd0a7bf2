//! The first words on a new connection: [`introduce`].

use redis::{FromRedisValue, RedisError, Value};
use redlock_wire::{Here, INFO_SECTIONS, Introduction, Script, Unfit, is_reticence};

use crate::{config::Eviction, connection::Connection, error::Cause, packing::reply};

/// Asks who the server is, whether it may vote, how far back it remembers and what its clock shows,
/// and loads the scripts, in one round trip.
///
/// A server may [refuse](is_reticence) any of it: it then stays unknown, and counts; scripts are sent
/// when first needed. One that cannot tell just now is not connected to yet.
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
    let asked = Here::now();
    let mut answers = connection.send_all(&commands).await?.into_iter();
    let mut next = || told(answers.next().unwrap_or(Value::Nil));
    let [server, memory, replication, persistence] = [next()?, next()?, next()?, next()?].map(text);
    let clock = next()?;
    fit(&memory, &replication, eviction)?;
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

/// An answer; nil, if the server does not tell.
fn told(answer: Value) -> Result<Value, RedisError> {
    match answer.extract_error() {
        Err(error) if error.code().is_some_and(is_reticence) => Ok(Value::Nil),
        answer => answer,
    }
}

/// What was told, if it is a text; nothing otherwise.
fn text(answer: Value) -> String {
    String::from_redis_value(answer).unwrap_or_default()
}
