use redis::{
    Cmd, Pipeline, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, MultiplexedConnection},
};

/// A handle to one connection that many calls share; cheap to clone.
#[derive(Clone)]
pub(crate) enum Connection {
    Manager(ConnectionManager),
    Multiplexed(MultiplexedConnection),
}

impl Connection {
    /// Sends a command and reads its answer; an error answered by the server is an error.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Manager(manager) => manager.send_packed_command(command).await,
            Self::Multiplexed(connection) => connection.send_packed_command(command).await,
        }?
        .extract_error()
    }

    /// Sends commands at once and reads their answers; those that are errors stay among them.
    pub(crate) async fn send_all(&mut self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        match self {
            Self::Manager(manager) => manager.req_packed_commands(commands, 0, count).await,
            Self::Multiplexed(connection) => {
                connection.req_packed_commands(commands, 0, count).await
            }
        }
    }
}
