use std::{io, pin::pin, time::Duration};

use futures::{
    channel::oneshot,
    future::{self, Either},
};
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value};
use redlock_core::{FailureKind, Inspection, NodeError, Notice};
use redlock_wire::PythonLock;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::reminder::leave_signal;
use crate::{
    connection::Connection,
    dial::{Dialled, dial},
    error::Cause,
    node::RedisNode,
    outbox::Pace,
};

/// Who waits for the signal of one lock, on a connection of his own.
///
/// `BLPOP` takes the signal away from all others who wait. So whatever becomes of the waiter, a
/// signal that was taken and has led to nothing is put back: at the end, unless somebody has the
/// lock, who will leave another.
pub(super) struct Listener {
    server: RedisNode,
    lock: PythonLock,
    notices: mpsc::Sender<Notice>,
    /// A signal has been taken, and nobody has been seen to have the lock since.
    owed: bool,
}

impl Listener {
    pub(super) const fn new(
        server: RedisNode,
        lock: PythonLock,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        Self { server, lock, notices, owed: false }
    }

    /// Connects, tells how that went, and listens until the connection or the interest ends.
    pub(super) async fn run(mut self, ready: oneshot::Sender<Result<(), NodeError>>) {
        let config = &self.server.link.config;
        let dialled = match timeout(config.connect_timeout, dial(config)).await {
            Ok(dialled) => dialled,
            Err(_) => Err(Cause::Late(config.connect_timeout)),
        };
        match dialled {
            Ok(Dialled { connection, driver }) => {
                {
                    let listening = pin!(self.listen(connection, ready));
                    // If the driver ends first, the answers that are waited for do not come.
                    if let Either::Right(((), listening)) = future::select(listening, driver).await
                    {
                        listening.await;
                    }
                }
                if self.owed {
                    leave_signal(&self.server, &self.lock).await;
                }
            }
            Err(cause) => {
                let _ =
                    ready.send(Err(cause.of_connecting(&config.label, FailureKind::Unreachable)));
            }
        }
    }

    async fn listen(
        &mut self,
        mut connection: Connection,
        ready: oneshot::Sender<Result<(), NodeError>>,
    ) {
        let patience = self.server.link.config.response_timeout;
        let first = match timeout(patience, self.try_once(&mut connection)).await {
            Ok(first) => first,
            Err(_) => Err(Cause::Late(patience)),
        };
        let id = match first {
            Ok(First { id, taken }) => {
                if taken {
                    self.pass_on();
                }
                let _ = ready.send(Ok(()));
                id
            }
            Err(cause) => {
                // It may have been carried out.
                self.owed = !matches!(&cause, Cause::Redis(error) if error.code().is_some());
                let error = cause.of_command(&self.server.link.config.label).into();
                let _ = ready.send(Err(error));
                return;
            }
        };
        let notices = self.notices.clone();
        // Nobody's signal is taken while the notice of an earlier one has not been heard.
        while let Ok(place) = notices.reserve().await {
            drop(place);
            match self.wait_a_while(&mut connection, id).await {
                Ok(true) => self.pass_on(),
                Ok(false) => self.look().await,
                Err(_) => return,
            }
        }
    }

    /// Takes a signal that is there already, without waiting, and so learns whether it may.
    async fn try_once(&mut self, connection: &mut Connection) -> Result<First, Cause> {
        let mut commands = redis::pipe();
        commands.cmd("CLIENT").arg("ID").cmd("MULTI");
        // Within a transaction it does not wait.
        commands.add_command(self.blpop()).cmd("EXEC");
        let answers = connection.send_all(&commands).await?;
        let [id, multi, queued, exec] = <[Value; 4]>::try_from(answers)
            .map_err(|_| RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no answer")))?;
        multi.extract_error()?;
        queued.extract_error()?;
        let taken = match exec.extract_error()? {
            Value::Array(mut answers) => match answers.pop() {
                Some(answer) => is_signal(&answer.extract_error()?),
                None => false,
            },
            _ => false,
        };
        // An old server, or one that does not tell: then whoever leaves waits for the next second.
        Ok(First { id: u64::from_redis_value(id).ok(), taken })
    }

    /// Waits for a signal for about a second, or until nobody is interested any more. Tells whether
    /// it has taken one.
    async fn wait_a_while(
        &mut self,
        connection: &mut Connection,
        id: Option<u64>,
    ) -> RedisResult<bool> {
        let command = self.blpop();
        let limit = SLICE.saturating_add(self.server.link.config.response_timeout);
        let mut answer = pin!(timeout(limit, connection.send(&command)));
        let notices = self.notices.clone();
        let answered = match future::select(pin!(notices.closed()), &mut answer).await {
            Either::Right((answered, _)) => answered,
            Either::Left(((), _)) => {
                // The connection must not just be closed: a signal may be on its way on it.
                match future::select(answer, pin!(self.unblock(id))).await {
                    Either::Left((answered, _)) => answered,
                    Either::Right(((), answer)) => answer.await,
                }
            }
        };
        let taken = answered
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            .map(|answer| is_signal(&answer));
        // No answer: the server may have taken one from the list to send it here.
        self.owed |= !matches!(taken, Ok(false));
        taken
    }

    /// Has the server end the wait of this connection, again and again: it may not have begun yet.
    async fn unblock(&self, id: Option<u64>) {
        let Some(id) = id else { return };
        let mut command = redis::cmd("CLIENT");
        command.arg("UNBLOCK").arg(id);
        let link = &self.server.link;
        while let Ok(mut session) = link.session().await {
            if link.ask(&mut session, command.clone(), Pace::Quick).await.is_err() {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// Wakes the waiter if the lock is free although nobody has told.
    async fn look(&mut self) {
        let Ok(mut line) = self.server.line().await else { return };
        match self.lock.inspect(&mut line).await {
            Ok(Inspection::Free) => self.pass_on_hint(),
            Ok(Inspection::Held { .. }) => self.owed = false,
            Err(_) => {}
        }
    }

    fn pass_on(&mut self) {
        self.owed = true;
        self.pass_on_hint();
    }

    fn pass_on_hint(&self) {
        // One that waits already is as good as another.
        let _ = self.notices.try_send(Notice { holder: None, listeners: 1 });
    }

    fn blpop(&self) -> Cmd {
        let mut command = redis::cmd("BLPOP");
        command.arg(self.lock.signal().as_str()).arg(SLICE.as_secs());
        command
    }
}

/// What the first try has shown.
struct First {
    /// The server's number for the connection.
    id: Option<u64>,
    taken: bool,
}

/// An answer to `BLPOP`: nil when the time is over, else the name of the list and the element.
const fn is_signal(answer: &Value) -> bool {
    !matches!(answer, Value::Nil)
}

/// How long one `BLPOP` waits: whole seconds, as old servers know no others. It bounds how long a
/// dead connection goes unnoticed, and how long a lock can be free without anybody's word.
const SLICE: Duration = Duration::from_secs(1);
/// Between two tries to end a wait.
const AGAIN: Duration = Duration::from_millis(20);
