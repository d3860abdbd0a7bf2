//! The first words on a connection: [`introduce`].

use redis::{FromRedisValue, RedisResult};
use redlock_core::Identity;
use redlock_wire::{Script, run_id};

use crate::connection::Connection;

/// Asks who the server is, and loads the scripts.
///
/// A server may refuse either: it then stays unknown, and scripts are sent when first needed.
pub(crate) async fn introduce(connection: &mut Connection) -> RedisResult<Option<Identity>> {
    let mut commands = redis::pipe();
    commands.cmd("INFO").arg("server");
    for script in Script::ALL {
        commands.cmd("SCRIPT").arg("LOAD").arg(script.body());
    }
    let answers = connection.send_all(&commands).await?;
    let info = answers.into_iter().next();
    Ok(info.and_then(|info| String::from_redis_value(info).ok()).and_then(|info| run_id(&info)))
}
