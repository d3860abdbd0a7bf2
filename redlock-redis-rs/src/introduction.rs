//! The first words on a new connection: [`introduce`].

use redis::{FromRedisValue, Value};
use redlock_core::Identity;
use redlock_wire::{INFO_SECTIONS, Script, Unfit, run_id};

use crate::{config::Eviction, connection::Connection, error::Cause};

/// Asks who the server is and whether it may vote, and loads the scripts, in one round trip.
///
/// A server may refuse any of it: it then stays unknown, and counts; scripts are sent when first
/// needed.
pub(crate) async fn introduce(
    connection: &mut Connection,
    eviction: Eviction,
) -> Result<Option<Identity>, Cause> {
    let mut commands = redis::pipe();
    for section in INFO_SECTIONS {
        commands.cmd("INFO").arg(section);
    }
    for script in Script::ALL {
        commands.cmd("SCRIPT").arg("LOAD").arg(script.body());
    }
    let mut answers = connection.send_all(&commands).await?.into_iter().map(text);
    let [server, memory, replication] = INFO_SECTIONS.map(|_| answers.next().unwrap_or_default());
    fit(&memory, &replication, eviction)?;
    Ok(run_id(&server))
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
