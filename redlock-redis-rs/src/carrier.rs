//! From an outbox to its connection: [`run`].

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt, channel::oneshot, future::BoxFuture, stream::FuturesUnordered,
};
use redis::{Pipeline, Value};
use tokio::{task::coop::unconstrained, time::timeout};

use crate::{
    connection::Connection,
    error::Cause,
    outbox::{Asked, Letter, Outbox, Pace},
};

/// Sends what comes into an outbox, and keeps its connection working, until that has ended.
///
/// One at a time, most of what a request costs is not the request itself: both sides are woken for
/// it, write to the socket and read from it. So all that is there when the task of the connection
/// gets to run leaves together, as one pipeline. While more than that is under way, the task also
/// lets all others that are ready to run go first, once, since they may want to say something too.
///
/// Answers are passed on in parts, and what those who have got theirs say next leaves before the
/// others get theirs. With all of them at once, this process and its server would take turns: each
/// would have nothing to do while the other has everything.
pub(crate) async fn run(outbox: Arc<Outbox>, mut driver: BoxFuture<'static, ()>) {
    let (connection, patience) = outbox.connection();
    let outbox = Open(outbox);
    let mut under_way = FuturesUnordered::new();
    let mut letters = Vec::new();
    let mut answers = Answers::default();
    let mut has_stepped_back = false;
    poll_fn(|context| {
        let waiting = outbox.0.watch(context.waker());
        if waiting > 0 {
            // With answers left to pass on it has done so already.
            if outbox.0.is_busy() && answers.0.is_empty() && !has_stepped_back {
                has_stepped_back = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            has_stepped_back = false;
            outbox.0.take(&mut letters);
            // Who has given up waiting need not be asked for.
            let wanted = letters.drain(..).filter(|letter| !letter.answer.is_canceled());
            for_each_bundle(wanted, |bundle| {
                // Not made to pause: tokio wakes first who was made to last, and an acquire would be
                // overtaken by its release, or by the question who has received it.
                under_way.push(unconstrained(carry(connection.clone(), bundle, patience)));
            });
            // They are sent when they are first polled, which is in their order.
            finish(&mut under_way, &mut answers, context);
        }
        let life = driver.poll_unpin(context);
        // Also at its end, which has told them why.
        finish(&mut under_way, &mut answers, context);
        if answers.pass_on() {
            context.waker().wake_by_ref();
        }
        life
    })
    .await;
}

/// An outbox that somebody takes care of. Whatever happens to the task, nobody waits for an answer
/// that cannot come.
struct Open(Arc<Outbox>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Answers that have come, in their order. Those that are still here at its end are passed on.
#[derive(Default)]
struct Answers(VecDeque<Answered>);

impl Answers {
    /// Passes on a part of them, and returns whether there are more.
    fn pass_on(&mut self) -> bool {
        let part = self.0.len().div_ceil(2).max(FEWEST).min(self.0.len());
        self.0.drain(..part).for_each(Answered::pass_on);
        !self.0.is_empty()
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Answered::pass_on);
    }
}

/// An answer, and who waits for it.
struct Answered {
    caller: oneshot::Sender<Result<Value, Cause>>,
    answer: Result<Value, Cause>,
    asked: Asked,
}

impl Answered {
    fn pass_on(self) {
        let Self { caller, answer, asked } = self;
        // First, so that what he says next need not be a letter.
        drop(asked);
        // Nobody waits any more if this fails.
        let _ = caller.send(answer);
    }
}

fn finish<F: Future<Output = Vec<Answered>>>(
    under_way: &mut FuturesUnordered<F>,
    answers: &mut Answers,
    context: &mut Context<'_>,
) {
    while let Poll::Ready(Some(answered)) = under_way.poll_next_unpin(context) {
        answers.0.extend(answered);
    }
}

/// What leaves together.
enum Bundle {
    One(Letter),
    Many(Vec<Letter>),
}

/// Splits letters, in their order, into those that leave together: not too many, and what may take
/// long by itself.
fn for_each_bundle(letters: impl Iterator<Item = Letter>, mut send: impl FnMut(Bundle)) {
    let mut letters = letters.peekable();
    while let Some(first) = letters.next() {
        let is_company = |letter: &Letter| first.pace == Pace::Quick && letter.pace == Pace::Quick;
        let Some(second) = letters.next_if(is_company) else {
            send(Bundle::One(first));
            continue;
        };
        let room = letters.size_hint().1.map_or(MOST, |left| MOST.min(left + 2));
        let mut bundle = Vec::with_capacity(room);
        bundle.extend([first, second]);
        while bundle.len() < MOST {
            let Some(next) = letters.next_if(|letter| letter.pace == Pace::Quick) else { break };
            bundle.push(next);
        }
        send(Bundle::Many(bundle));
    }
}

/// Sends what a bundle says, and returns what is answered.
async fn carry(mut connection: Connection, bundle: Bundle, patience: Duration) -> Vec<Answered> {
    let letters = match bundle {
        Bundle::One(Letter { command, answer: caller, asked, .. }) => {
            let answer = connection.send_within(&command, patience).await;
            return vec![Answered { caller, answer, asked }];
        }
        Bundle::Many(letters) => letters,
    };
    let mut pipeline = Pipeline::with_capacity(letters.len());
    let mut callers = Vec::with_capacity(letters.len());
    for Letter { command, answer, asked, .. } in letters {
        pipeline.add_command(command);
        callers.push((answer, asked));
    }
    let failed = match timeout(patience, connection.send_all(&pipeline)).await {
        Ok(Ok(values)) => {
            let told = callers.into_iter().zip(values);
            return told
                .map(|((caller, asked), value)| Answered {
                    caller,
                    answer: value.extract_error().map_err(Cause::Redis),
                    asked,
                })
                .collect();
        }
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let answer = || failed.clone().map_or(Cause::Late(patience), Cause::Redis);
    let told = callers.into_iter();
    told.map(|(caller, asked)| Answered { caller, answer: Err(answer()), asked }).collect()
}

/// So many commands leave together: their answers are passed on when the last of them is there.
const MOST: usize = 128;

/// So many answers at least are passed on at once: what a part saves by leaving early, smaller ones
/// lose by being more.
const FEWEST: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use redis::{RedisConnectionInfo, aio::MultiplexedConnection};
    use tokio::io::{
        AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex,
    };

    use tokio::task::coop::consume_budget;

    use super::*;
    use crate::dial::untimed;

    fn letters(paces: &[Pace]) -> Vec<Letter> {
        let letter = |(index, pace): (usize, &Pace)| {
            let mut command = redis::cmd("GET");
            command.arg(index);
            // Nobody waits for these.
            let (answer, asked) = (oneshot::channel().0, Asked::begin(&Arc::default()));
            Letter { command, pace: *pace, answer, asked }
        };
        paces.iter().enumerate().map(letter).collect()
    }

    /// How many leave together each time, having seen to it that they do in their order.
    fn sizes(paces: &[Pace]) -> Vec<usize> {
        let (mut sizes, mut sent) = (Vec::new(), Vec::new());
        for_each_bundle(letters(paces).into_iter(), |bundle| {
            let letters = match bundle {
                Bundle::One(letter) => vec![letter],
                Bundle::Many(letters) => letters,
            };
            sizes.push(letters.len());
            sent.extend(letters.into_iter().map(|letter| letter.command.get_packed_command()));
        });
        let written = letters(paces).into_iter().map(|letter| letter.command.get_packed_command());
        assert_eq!(sent, written.collect::<Vec<_>>());
        sizes
    }

    #[test]
    fn what_is_quick_leaves_together_and_what_may_take_long_by_itself() {
        use Pace::{Quick, Slow};

        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[Quick]), [1]);
        assert_eq!(sizes(&[Slow]), [1]);
        assert_eq!(sizes(&[Quick; 3]), [3]);
        assert_eq!(sizes(&[Slow; 3]), [1, 1, 1]);
        assert_eq!(sizes(&[Quick, Quick, Slow, Quick]), [2, 1, 1]);
        assert_eq!(sizes(&[Slow, Quick, Quick, Slow]), [1, 2, 1]);
        assert_eq!(sizes(&[Quick; 2 * MOST + 1]), [MOST, MOST, 1]);
    }

    /// Answers whatever is said, and returns what `GET` was said of, in its order.
    async fn listen(stream: DuplexStream) -> Vec<String> {
        let mut stream = BufReader::new(stream);
        let mut said = Vec::new();
        loop {
            let Some(count) = number(&mut stream).await else { return said };
            let mut words = Vec::new();
            for _ in 0..count {
                let length = number(&mut stream).await.unwrap();
                let mut word = vec![0; length + 2];
                stream.read_exact(&mut word).await.unwrap();
                words.push(String::from_utf8(word).unwrap().trim_end().to_owned());
            }
            if words[0] == "GET" {
                said.push(words.swap_remove(1));
            }
            stream.write_all(b"+OK\r\n").await.unwrap();
        }
    }

    async fn number(stream: &mut BufReader<DuplexStream>) -> Option<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        (!line.is_empty()).then(|| line[1..].trim_end().parse().unwrap())
    }

    /// A connection that says nothing by itself.
    async fn connect(stream: DuplexStream) -> (Arc<Outbox>, BoxFuture<'static, ()>) {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let connected = MultiplexedConnection::new_with_config(&settings, stream, untimed()).await;
        let (connection, driver) = connected.unwrap();
        let outbox = Outbox::new(Connection::Multiplexed(connection), Duration::from_secs(60));
        (Arc::new(outbox), driver.boxed())
    }

    async fn get(outbox: Arc<Outbox>, number: usize, pace: Pace) -> Result<Value, Cause> {
        let mut command = redis::cmd("GET");
        command.arg(number);
        outbox.ask(command, pace).await
    }

    /// A server that answers once so many have spoken, all of them at once.
    async fn answer_at_once(stream: &mut DuplexStream, count: usize) {
        let mut heard = vec![0; 1 << 16];
        let mut said = 0;
        while said < count {
            let read = stream.read(&mut heard).await.unwrap();
            said += heard[..read].iter().filter(|byte| **byte == b'*').count();
        }
        stream.write_all("+OK\r\n".repeat(count).as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn who_is_answered_first_speaks_before_the_others_are_answered() {
        const CALLERS: usize = 2 * FEWEST;

        let (here, mut there) = duplex(1 << 16);
        let (outbox, driver) = connect(here).await;
        let told = Arc::new(AtomicUsize::new(0));
        for number in 0..CALLERS {
            let (outbox, told) = (Arc::clone(&outbox), Arc::clone(&told));
            tokio::spawn(async move {
                let _ = get(Arc::clone(&outbox), number, Pace::Quick).await;
                told.fetch_add(1, Ordering::Relaxed);
                let _ = get(outbox, number, Pace::Quick).await;
            });
        }
        let life = tokio::spawn(run(outbox, driver));
        answer_at_once(&mut there, CALLERS).await;
        assert_ne!(there.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(told.load(Ordering::Relaxed) < CALLERS);
        life.abort();
    }

    #[tokio::test]
    async fn answers_that_came_before_the_end_are_passed_on() {
        const CALLERS: usize = 4 * FEWEST;

        let (here, mut there) = duplex(1 << 16);
        let (outbox, driver) = connect(here).await;
        // They and the end are there at the same time.
        tokio::spawn(async move { answer_at_once(&mut there, CALLERS).await });
        let asked = (0..CALLERS).map(|number| get(Arc::clone(&outbox), number, Pace::Quick));
        let life = tokio::spawn(run(Arc::clone(&outbox), driver));
        for answer in join_all(asked).await {
            assert_eq!(answer.unwrap(), Value::Okay);
        }
        life.await.unwrap();
    }

    /// More than tokio lets a task do without a pause.
    #[tokio::test]
    async fn what_is_said_first_arrives_first_however_much_there_is() {
        let (here, there) = duplex(1 << 20);
        let server = tokio::spawn(listen(there));
        let (outbox, driver) = connect(here).await;
        let asked = (0..500).map(|number| get(Arc::clone(&outbox), number, Pace::Slow));
        let life = tokio::spawn(run(Arc::clone(&outbox), driver));
        for answer in join_all(asked).await {
            assert_eq!(answer.unwrap(), Value::Okay);
        }
        drop(outbox);
        life.abort();
        let said = server.await.unwrap();
        assert_eq!(said, (0..500).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    /// What has been given up and not been sent is more than the library takes at once by itself.
    /// Who had to wait for room there would be overtaken by who comes when there is some again.
    #[tokio::test]
    async fn what_is_said_first_arrives_first_whatever_was_given_up_before() {
        let (here, there) = duplex(1 << 20);
        let server = tokio::spawn(listen(there));
        let (outbox, driver) = connect(here).await;
        for number in 100..200 {
            let mut given_up = get(Arc::clone(&outbox), number, Pace::Quick).boxed();
            assert!((&mut given_up).now_or_never().is_none());
        }
        let asked: Vec<_> =
            (0..5).map(|number| get(Arc::clone(&outbox), number, Pace::Quick)).collect();
        let life = tokio::spawn(run(Arc::clone(&outbox), driver));
        for answer in join_all(asked).await {
            assert_eq!(answer.unwrap(), Value::Okay);
        }
        drop(outbox);
        life.abort();
        assert_eq!(server.await.unwrap(), ["0", "1", "2", "3", "4"]);
    }

    /// Its caller may leave after the first poll, and what somebody else says then must not be first.
    #[tokio::test]
    async fn what_is_said_by_a_tired_task_is_sent_all_the_same() {
        let (here, there) = duplex(1 << 20);
        let server = tokio::spawn(listen(there));
        let (outbox, driver) = connect(here).await;
        let life = tokio::spawn(run(Arc::clone(&outbox), driver));
        let first = get(Arc::clone(&outbox), 1, Pace::Quick);
        let second = get(outbox, 2, Pace::Quick);
        let tired = async move {
            while consume_budget().now_or_never().is_some() {}
            let mut first = first.boxed();
            assert!((&mut first).now_or_never().is_none());
            tokio::spawn(second).await.unwrap().unwrap();
            first.await.unwrap();
        };
        tokio::spawn(tired).await.unwrap();
        life.abort();
        assert_eq!(server.await.unwrap(), ["1", "2"]);
    }
}
