//! What many callers have to say on one connection: [`Outbox`].

use std::{
    io, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use futures::{channel::oneshot, task::AtomicWaker};
use redis::{Cmd, RedisError, Value};

use crate::error::Cause;

/// Commands that wait for the task of their connection to send them.
///
/// Callers and that task share it. Once the task has [closed](Self::close) it, nothing that is put
/// into it is sent.
#[derive(Default)]
pub(crate) struct Outbox {
    contents: Mutex<Contents>,
    task: AtomicWaker,
}

#[derive(Default)]
struct Contents {
    letters: Vec<Letter>,
    closed: bool,
}

/// A command, and who waits for its answer.
pub(crate) struct Letter {
    pub(crate) command: Cmd,
    pub(crate) pace: Pace,
    pub(crate) answer: oneshot::Sender<Result<Value, Cause>>,
}

/// How long a server is busy with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// No longer than with any other: the answers of several may well come together.
    Quick,
    /// Perhaps for longer: no other answer is to wait for this one.
    Slow,
}

impl Outbox {
    /// Has a command sent, and waits for its answer: for as long as the task of the connection does.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the command may or may not be sent; if it is, then before what is put here later.
    pub(crate) async fn ask(&self, command: Cmd, pace: Pace) -> Result<Value, Cause> {
        let (answer, answered) = oneshot::channel();
        self.put(Letter { command, pace, answer })?;
        // Without an answer it has been thrown away, and the connection with it.
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    fn put(&self, letter: Letter) -> Result<(), Cause> {
        let mut contents = self.contents();
        if contents.closed {
            drop(contents);
            return Err(ended());
        }
        contents.letters.push(letter);
        let is_first = contents.letters.len() == 1;
        drop(contents);
        // Who has put the first has woken the task, and it takes all that there is by then.
        if is_first {
            self.task.wake();
        }
        Ok(())
    }

    /// How many letters there are; the task that asks is woken when there is one, from now on.
    pub(crate) fn watch(&self, task: &Waker) -> usize {
        // First, so that what comes after the look wakes it.
        self.task.register(task);
        self.contents().letters.len()
    }

    /// Moves all letters to the end of `letters`, which lends its place.
    pub(crate) fn take(&self, letters: &mut Vec<Letter>) {
        let mut contents = self.contents();
        if letters.is_empty() {
            mem::swap(&mut contents.letters, letters);
        } else {
            letters.append(&mut contents.letters);
        }
    }

    /// Throws away what is here, and what comes.
    pub(crate) fn close(&self) {
        let mut contents = self.contents();
        contents.closed = true;
        let letters = mem::take(&mut contents.letters);
        // Their callers are woken where nothing is locked.
        drop(contents);
        drop(letters);
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection is no more.
fn ended() -> Cause {
    Cause::Redis(RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe)))
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, executor::block_on, task::noop_waker};

    use super::*;

    fn ping() -> Cmd {
        redis::cmd("PING")
    }

    #[test]
    fn a_command_is_there_once_its_caller_has_been_polled_and_his_leaving_is_seen() {
        let outbox = Outbox::default();
        let mut caller = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert_eq!(outbox.watch(&noop_waker()), 0);
        assert!(caller.as_mut().now_or_never().is_none());
        assert_eq!(outbox.watch(&noop_waker()), 1);

        let mut letters = Vec::new();
        outbox.take(&mut letters);
        assert_eq!(outbox.watch(&noop_waker()), 0);
        assert!(!letters[0].answer.is_canceled());
        drop(caller);
        assert!(letters[0].answer.is_canceled());
    }

    #[test]
    fn nobody_waits_at_a_closed_outbox() {
        let outbox = Outbox::default();
        let mut waits = Box::pin(outbox.ask(ping(), Pace::Quick));
        let mut taken = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert!(taken.as_mut().now_or_never().is_none());
        let mut letters = Vec::new();
        outbox.take(&mut letters);
        assert!(waits.as_mut().now_or_never().is_none());
        outbox.close();
        drop(letters);
        for answer in [block_on(waits), block_on(taken), block_on(outbox.ask(ping(), Pace::Slow))] {
            assert!(matches!(answer, Err(Cause::Redis(error)) if error.is_io_error()));
        }
    }
}
