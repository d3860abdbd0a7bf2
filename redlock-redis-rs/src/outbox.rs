//! What many callers have to say on one connection: [`Outbox`].

use std::{
    future::poll_fn,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt, channel::oneshot, future::BoxFuture, task::AtomicWaker};
use redis::{Cmd, RedisError, Value};
use tokio::task::coop::unconstrained;

use crate::{
    connection::Connection,
    error::Cause,
    silence::{Hopeless, Silence},
};

/// A connection and the commands that wait for its task to send them.
///
/// Who has something to say while few others have says it himself: less is to be woken and moved for
/// that. Everything else is put here. Once the task has [closed](Self::close) it, nothing that is put
/// into it is sent.
pub(crate) struct Outbox {
    connection: Connection,
    /// How long an answer may take.
    patience: Duration,
    /// How many commands are under way that their callers say themselves.
    said: Arc<AtomicUsize>,
    /// How many are under way that were put here, or wait here.
    written: Arc<AtomicUsize>,
    silence: Arc<Silence>,
    contents: Mutex<Contents>,
    task: AtomicWaker,
    /// Those who have nothing to say at the moment.
    speakers: Mutex<Vec<Speaker>>,
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
    pub(crate) asked: Asked,
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
    pub(crate) fn new(connection: Connection, patience: Duration) -> Self {
        Self {
            connection,
            patience,
            said: Arc::default(),
            written: Arc::default(),
            silence: Arc::new(Silence::new(patience)),
            contents: Mutex::default(),
            task: AtomicWaker::new(),
            speakers: Mutex::default(),
        }
    }

    /// Has a command sent, and waits for its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the command may or may not be sent; if it is, then before what is asked here later.
    pub(crate) async fn ask(&self, command: Cmd, pace: Pace) -> Result<Value, Cause> {
        if let Err(Hopeless) = self.silence.say() {
            self.close();
            return Err(ended());
        }
        // Commands are sent in the order in which they are said, but letters may lie here for a while.
        if self.written.load(Ordering::Acquire) == 0 {
            let asked = Asked::begin(&self.said);
            if asked.others < FEW {
                let idle = open(&self.speakers).pop();
                let mut speaker = idle.unwrap_or_else(|| Speaker::new(self));
                speaker.ask(command, asked);
                let said = poll_fn(|context| speaker.poll_answer(context)).await;
                open(&self.speakers).push(speaker);
                return said;
            }
        }
        let (answer, answered) = oneshot::channel();
        let asked = Asked::begin(&self.written);
        self.put(Letter { command, pace, answer, asked })?;
        // Without an answer it has been thrown away, and the connection with it.
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    fn put(&self, letter: Letter) -> Result<(), Cause> {
        let mut contents = open(&self.contents);
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

    /// The connection, and how long an answer may take.
    pub(crate) fn connection(&self) -> (Connection, Duration) {
        (self.connection.clone(), self.patience)
    }

    /// Whether more is asked for at the moment than one command.
    pub(crate) fn is_busy(&self) -> bool {
        self.said.load(Ordering::Relaxed) + self.written.load(Ordering::Relaxed) > 1
    }

    /// What tells whether the connection is still of use.
    pub(crate) fn silence(&self) -> Arc<Silence> {
        Arc::clone(&self.silence)
    }

    /// How many letters there are, and `None` once it is closed; the task that asks is woken when
    /// there is one or it is, from now on.
    pub(crate) fn watch(&self, task: &Waker) -> Option<usize> {
        // First, so that what comes after the look wakes it.
        self.task.register(task);
        let contents = open(&self.contents);
        (!contents.closed).then_some(contents.letters.len())
    }

    /// Moves all letters to the end of `letters`, which lends its place.
    pub(crate) fn take(&self, letters: &mut Vec<Letter>) {
        let mut contents = open(&self.contents);
        if letters.is_empty() {
            mem::swap(&mut contents.letters, letters);
        } else {
            letters.append(&mut contents.letters);
        }
    }

    /// Throws away what is here, and what comes. The connection ends with it.
    pub(crate) fn close(&self) {
        let mut contents = open(&self.contents);
        contents.closed = true;
        let letters = mem::take(&mut contents.letters);
        // Their callers are woken where nothing is locked.
        drop(contents);
        drop(letters);
        self.task.wake();
    }
}

/// Nothing that is done while one of these is locked can leave it half done.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says one thing after another on a connection, and need not be made anew for each.
struct Speaker {
    speaking: BoxFuture<'static, ()>,
    desk: Arc<Mutex<Desk>>,
}

/// What a speaker is to say, and what he was answered.
#[derive(Default)]
struct Desk {
    asked: Option<(Cmd, Asked)>,
    answer: Option<Result<Value, Cause>>,
}

impl Speaker {
    fn new(outbox: &Outbox) -> Self {
        let ((mut connection, patience), silence) = (outbox.connection(), outbox.silence());
        let desk = Arc::<Mutex<Desk>>::default();
        let his = Arc::clone(&desk);
        let speaking = async move {
            loop {
                let (command, _asked) =
                    poll_fn(|_| open(&his).asked.take().map_or(Poll::Pending, Poll::Ready)).await;
                // Not made to pause before it is sent, for then somebody else could be first.
                let said = unconstrained(connection.send_within(&command, patience)).await;
                if !matches!(said, Err(Cause::Late(_))) {
                    silence.broken();
                }
                open(&his).answer = Some(said);
            }
        };
        Self { speaking: speaking.boxed(), desk }
    }

    /// Gives him something to say, once he has given the answer to what was before.
    fn ask(&self, command: Cmd, asked: Asked) {
        open(&self.desk).asked = Some((command, asked));
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<Value, Cause>> {
        // He is never done.
        let _ = self.speaking.poll_unpin(context);
        open(&self.desk).answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A command that is under way. That of a letter is so whether or not its caller still waits: until
/// it has been answered or thrown away, nobody sends anything past it.
pub(crate) struct Asked {
    count: Arc<AtomicUsize>,
    /// How many there were before.
    others: usize,
}

impl Asked {
    pub(crate) fn begin(count: &Arc<AtomicUsize>) -> Self {
        let others = count.fetch_add(1, Ordering::AcqRel);
        Self { count: Arc::clone(count), others }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// So many commands may be under way before it is worth while to send some together.
const FEW: usize = 2;

/// The connection is no more.
fn ended() -> Cause {
    Cause::Redis(RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe)))
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;
    use redis::{RedisConnectionInfo, aio::MultiplexedConnection};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// One whose server says `OK` to everything.
    async fn outbox() -> Outbox {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            let mut heard = [0; 4096];
            while let Ok(count @ 1..) = theirs.read(&mut heard).await {
                for _ in heard[..count].iter().filter(|byte| **byte == b'*') {
                    theirs.write_all(b"+OK\r\n").await.unwrap();
                }
            }
        });
        // What it makes borrows them.
        let settings = Box::leak(Box::<RedisConnectionInfo>::default());
        let (connection, driver) = MultiplexedConnection::new(settings, ours).await.unwrap();
        tokio::spawn(driver);
        Outbox::new(Connection::Multiplexed(connection), Duration::from_secs(10))
    }

    fn ping() -> Cmd {
        redis::cmd("PING")
    }

    fn waiting(outbox: &Outbox) -> usize {
        outbox.watch(&noop_waker()).unwrap()
    }

    #[tokio::test]
    async fn who_is_alone_says_it_himself() {
        let outbox = outbox().await;
        for _ in 0..3 {
            assert_eq!(outbox.ask(ping(), Pace::Quick).await.unwrap(), Value::Okay);
            assert_eq!(open(&outbox.speakers).len(), 1);
        }
        assert_eq!(waiting(&outbox), 0);
    }

    /// The speaker goes with him, and what comes next is said all the same.
    #[tokio::test]
    async fn who_is_alone_may_leave_at_any_time() {
        let outbox = outbox().await;
        assert_eq!(outbox.ask(ping(), Pace::Quick).await.unwrap(), Value::Okay);
        for _ in 0..3 {
            let mut leaves = Box::pin(outbox.ask(ping(), Pace::Quick));
            assert!(leaves.as_mut().now_or_never().is_none());
            drop(leaves);
            drop(outbox.ask(ping(), Pace::Quick));
            assert!(open(&outbox.speakers).is_empty());
            assert_eq!(outbox.said.load(Ordering::Relaxed), 0);
            assert_eq!(outbox.ask(ping(), Pace::Quick).await.unwrap(), Value::Okay);
            assert_eq!(open(&outbox.speakers).len(), 1);
        }
        assert_eq!(waiting(&outbox), 0);
    }

    #[tokio::test]
    async fn a_few_say_it_themselves_and_who_is_one_too_many_writes() {
        let outbox = outbox().await;
        let mut callers: Vec<_> = (0..3).map(|_| outbox.ask(ping(), Pace::Quick).boxed()).collect();
        for (before, caller) in callers.iter_mut().enumerate() {
            assert!(caller.now_or_never().is_none());
            assert_eq!(waiting(&outbox), usize::from(before == 2));
        }
        // One less speaks; but while there is a letter, nobody does.
        drop(callers.swap_remove(0));
        let mut next = outbox.ask(ping(), Pace::Quick).boxed();
        assert!((&mut next).now_or_never().is_none());
        assert_eq!(waiting(&outbox), 2);
    }

    #[tokio::test]
    async fn a_command_is_there_once_its_caller_has_been_polled_and_his_leaving_is_seen() {
        let outbox = outbox().await;
        let _another = Asked::begin(&outbox.written);
        let mut caller = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert_eq!(waiting(&outbox), 0);
        assert!(caller.as_mut().now_or_never().is_none());
        assert_eq!(waiting(&outbox), 1);

        let mut letters = Vec::new();
        outbox.take(&mut letters);
        assert_eq!(waiting(&outbox), 0);
        assert!(!letters[0].answer.is_canceled());
        drop(caller);
        assert!(letters[0].answer.is_canceled());
    }

    /// A release must not overtake the acquire that its caller has just dropped (R19), although
    /// nobody else asks for anything.
    #[tokio::test]
    async fn nothing_is_sent_past_a_letter_whose_caller_has_left() {
        let outbox = outbox().await;
        let another = Asked::begin(&outbox.written);
        let mut dropped = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert!(dropped.as_mut().now_or_never().is_none());
        let mut letters = Vec::new();
        outbox.take(&mut letters);
        drop((dropped, another));

        let mut next = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert!(next.as_mut().now_or_never().is_none());
        assert_eq!(waiting(&outbox), 1);
        // Sent or thrown away, with the one behind it.
        outbox.take(&mut letters);
        drop((letters, next));
        assert_eq!(outbox.ask(ping(), Pace::Quick).await.unwrap(), Value::Okay);
    }

    #[tokio::test]
    async fn nobody_waits_at_a_closed_outbox() {
        let outbox = outbox().await;
        let _another = Asked::begin(&outbox.written);
        let mut waits = Box::pin(outbox.ask(ping(), Pace::Quick));
        let mut taken = Box::pin(outbox.ask(ping(), Pace::Quick));
        assert!(taken.as_mut().now_or_never().is_none());
        let mut letters = Vec::new();
        outbox.take(&mut letters);
        assert!(waits.as_mut().now_or_never().is_none());
        outbox.close();
        drop(letters);
        for answer in [waits.await, taken.await, outbox.ask(ping(), Pace::Slow).await] {
            assert!(matches!(answer, Err(Cause::Redis(error)) if error.is_io_error()));
        }
    }
}
