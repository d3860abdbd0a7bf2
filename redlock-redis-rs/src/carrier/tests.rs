use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use redis::{RedisConnectionInfo, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex},
    task::coop::consume_budget,
};

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
