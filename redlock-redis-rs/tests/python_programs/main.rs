//! Python programs that use python-redis-lock, and `PythonLockNode`, at one lock.
//!
//! Run by `scripts/python-redis-lock`, which installs the package; without it they fail.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[path = "../../../redlock-wire/tests/adapters/helpers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod helpers;
mod program;

use std::time::{Duration, Instant};

use futures::{StreamExt, stream::BoxStream};
use helpers::{PATIENCE, pttl, resource, token, ttl, until};
use program::Program;
use redlock_core::{Inspection, LockNode, Notice, Notifications, Redlock, Refusal, Retry, Vote};
use redlock_redis_rs::{PythonLockNode, redis};
use redlock_testkit::server::Server;
use tokio::time::timeout;

fn node(server: &Server) -> PythonLockNode {
    PythonLockNode::open(&server.url()).unwrap()
}

/// How long the holder has the lock yet, as a refusal tells.
async fn left(node: &PythonLockNode) -> Option<Duration> {
    match node.acquire(&resource("r"), &token("other"), ttl(1_000)).await.unwrap() {
        Vote::Refused(Refusal::HeldByAnother { remaining, .. }) => remaining,
        other => panic!("{other:?} is not a refusal for another holder"),
    }
}

async fn take(node: &PythonLockNode) {
    let vote = node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await.unwrap();
    assert_eq!(vote, Vote::granted());
}

async fn let_go(node: &PythonLockNode) {
    let told = node.release_and_notify(&resource("r"), &token("mine")).await.unwrap();
    assert_eq!(told.vote, Vote::granted());
}

/// Waits until so many connections wait for a signal.
async fn asleep(server: &Server, count: u64) {
    let waits = format!("blocked_clients:{count}\r\n");
    until(PATIENCE, async || server.cmd::<String>(&["INFO", "clients"]).unwrap().contains(&waits))
        .await;
}

/// One that is waited for until the server knows of it.
async fn waiting(node: &PythonLockNode, server: &Server) -> BoxStream<'static, Notice> {
    // What an earlier release has left would be heard first.
    server.cmd::<()>(&["DEL", "lock-signal:r"]).unwrap();
    let notices = node.subscribe(&resource("r")).await.unwrap();
    asleep(server, 1).await;
    notices
}

async fn woken(notices: &mut BoxStream<'static, Notice>) {
    timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
}

fn one_signal(server: &Server) {
    assert_eq!(server.keys().unwrap(), ["lock-signal:r"]);
    assert_eq!(server.cmd::<u64>(&["LLEN", "lock-signal:r"]).unwrap(), 1);
    assert!((1..=1_000).contains(&pttl(server, "lock-signal:r")));
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn each_excludes_the_other_and_leaves_one_signal_behind() {
    let server = Server::start().unwrap();
    let (node, mut python) = (node(&server), Program::start(&server, "expire=60").await);
    take(&node).await;
    assert_eq!(python.ask("lock.acquire(blocking=False)").await, "False");
    assert_eq!(python.ask("lock.locked()").await, "True");
    assert_eq!(python.ask("lock.get_owner_id()").await, "'mine'");
    assert_eq!(python.ask("lock.release()").await, "raised NotAcquired");
    let_go(&node).await;
    one_signal(&server);
    assert_eq!(python.ask("lock.acquire(blocking=False)").await, "True");
    let left = left(&node).await.unwrap();
    assert!((Duration::from_secs(50)..=Duration::from_secs(60)).contains(&left), "{left:?}");
    let refused = node.release(&resource("r"), &token("mine")).await.unwrap();
    assert!(matches!(refused, Vote::Refused(Refusal::HeldByAnother { .. })), "{refused:?}");
    assert_eq!(python.ask("lock.release()").await, "None");
    one_signal(&server);
    take(&node).await;
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_release_here_wakes_python() {
    let server = Server::start().unwrap();
    // It would sleep for ever.
    let (node, mut python) = (node(&server), Program::start(&server, "").await);
    // Given up, or cleaned up after an attempt that failed.
    for held in [true, false] {
        take(&node).await;
        python.tell("lock.acquire()").await;
        asleep(&server, 1).await;
        if held {
            let_go(&node).await;
        } else {
            let vote = node.release(&resource("r"), &token("mine")).await.unwrap();
            assert_eq!(vote, Vote::granted());
        }
        assert_eq!(python.answer().await, "True");
        assert_eq!(left(&node).await, None, "what Python holds without expire never ends");
        assert_eq!(server.keys().unwrap(), ["lock:r"]);
        assert_eq!(python.ask("lock.release()").await, "None");
    }
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_release_in_python_wakes_who_waits_here() {
    let server = Server::start().unwrap();
    let (node, mut python) = (node(&server), Program::start(&server, "").await);
    assert_eq!(python.ask("lock.acquire()").await, "True");
    let mut notices = waiting(&node, &server).await;
    assert_eq!(python.ask("lock.release()").await, "None");
    woken(&mut notices).await;
    take(&node).await;
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_waiter_here_that_gives_up_leaves_the_wake_up_to_python() {
    let server = Server::start().unwrap();
    let (node, mut python) = (node(&server), Program::start(&server, "").await);
    for heard in [false, true] {
        take(&node).await;
        let mut notices = waiting(&node, &server).await;
        python.tell("lock.acquire()").await;
        asleep(&server, 2).await;
        let_go(&node).await;
        if heard {
            woken(&mut notices).await;
        }
        drop(notices);
        assert_eq!(python.answer().await, "True");
        assert_eq!(python.ask("lock.release()").await, "None");
        asleep(&server, 0).await;
    }
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn when_python_dies_a_waiter_here_has_the_lock_after_its_time() {
    let server = Server::start().unwrap();
    let (node, mut python) = (node(&server), Program::start(&server, "expire=2").await);
    assert_eq!(python.ask("lock.acquire()").await, "True");
    let mut notices = waiting(&node, &server).await;
    assert!(left(&node).await.unwrap() <= Duration::from_secs(2));
    python.die().await;
    woken(&mut notices).await;
    take(&node).await;
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_lock_that_python_renews_stays_its_own_while_somebody_waits_here() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mut python = Program::start(&server, "expire=2, auto_renewal=True").await;
    assert_eq!(python.ask("lock.acquire()").await, "True");
    let mut notices = waiting(&node, &server).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        assert!(left(&node).await.unwrap() <= Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(python.ask("lock.release()").await, "None");
    woken(&mut notices).await;
    take(&node).await;
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn who_knows_the_id_can_extend_and_release_on_either_side() {
    let server = Server::start().unwrap();
    let (node, name) = (node(&server), resource("r"));
    take(&node).await;
    let mut python = Program::start(&server, "expire=90, id='mine'").await;
    assert_eq!(python.ask("lock.extend()").await, "None");
    assert!((60_001..=90_000).contains(&pttl(&server, "lock:r")));
    assert_eq!(python.ask("lock.release()").await, "None");
    one_signal(&server);

    let mut python = Program::start(&server, "expire=60").await;
    assert_eq!(python.ask("lock.acquire()").await, "True");
    let id = python.ask("lock.id").await;
    let id = token(id.trim_matches('\''));
    let Inspection::Held { token, .. } = node.inspect(&name).await.unwrap() else {
        panic!("nobody has it")
    };
    assert_eq!(token, id);
    assert_eq!(node.extend(&name, &id, ttl(90_000)).await.unwrap(), Vote::granted());
    assert!((60_001..=90_000).contains(&pttl(&server, "lock:r")));
    let told = node.release_and_notify(&name, &id).await.unwrap();
    assert_eq!(told.vote, Vote::granted());
    one_signal(&server);
    assert_eq!(python.ask("lock.release()").await, "raised NotAcquired");
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn extensions_answer_as_pythons_do_except_that_they_never_shorten() {
    let server = Server::start().unwrap();
    let (node, name, mine) = (node(&server), resource("r"), token("mine"));
    let mut python = Program::start(&server, "expire=60, id='mine'").await;

    // Its code 1.
    assert_eq!(python.ask("lock.extend()").await, "raised NotAcquired");
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::not_held());
    server.cmd::<()>(&["SET", "lock:r", "theirs", "PX", "30000"]).unwrap();
    assert_eq!(python.ask("lock.extend()").await, "raised NotAcquired");
    let refused = node.extend(&name, &mine, ttl(60_000)).await.unwrap();
    assert!(matches!(refused, Vote::Refused(Refusal::HeldByAnother { .. })), "{refused:?}");

    // Its code 2: what never ends needs no extension.
    server.cmd::<()>(&["SET", "lock:r", "mine"]).unwrap();
    assert_eq!(python.ask("lock.extend()").await, "raised NotExpirable");
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert_eq!(pttl(&server, "lock:r"), -1);

    // Its code 0.
    server.cmd::<()>(&["SET", "lock:r", "mine", "PX", "30000"]).unwrap();
    assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert!((60_001..=90_000).contains(&pttl(&server, "lock:r")), "shortened here");
    assert_eq!(python.ask("lock.extend()").await, "None");
    assert!((1..=60_000).contains(&pttl(&server, "lock:r")), "Python does not shorten any more");
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_reset_on_either_side_frees_and_wakes_the_other() {
    let server = Server::start().unwrap();
    let (node, mut python) = (node(&server), Program::start(&server, "").await);
    take(&node).await;
    assert_eq!(python.ask("lock.reset()").await, "None");
    one_signal(&server);
    take(&node).await;
    assert_eq!(python.ask("redis_lock.reset_all(client)").await, "None");
    assert_eq!(server.keys().unwrap(), ["lock-signal:r"]);

    take(&node).await;
    let mut notices = waiting(&node, &server).await;
    assert_eq!(python.ask("lock.reset()").await, "None");
    woken(&mut notices).await;
    drop(notices);
    asleep(&server, 0).await;

    for all in [false, true] {
        take(&node).await;
        python.tell("lock.acquire()").await;
        asleep(&server, 1).await;
        if all {
            assert_eq!(node.reset_all().await.unwrap(), 1);
        } else {
            assert_eq!(node.reset(&resource("r")).await.unwrap(), Vote::granted());
        }
        assert_eq!(python.answer().await, "True");
        // And one that Python has.
        assert_eq!(node.reset(&resource("r")).await.unwrap(), Vote::granted());
        assert_eq!(python.ask("lock.release()").await, "raised NotAcquired");
    }
}

/// Reads a number and writes the next: without a lock around it, some are lost.
const COUNT: &str = "[(lock.acquire(), client.set('count', int(client.get('count') or 0) + 1), \
                     lock.release()) for _ in range(100)] and 'done'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by scripts/python-redis-lock"]
async fn redlocks_and_python_programs_that_count_together_lose_nothing() {
    let server = Server::start().unwrap();
    // Neither looks again by itself: all go on only because they wake each other.
    let mut programs = Vec::new();
    for _ in 0..2 {
        let mut program = Program::start(&server, "").await;
        program.tell(COUNT).await;
        programs.push(program);
    }
    let work = (0..2).map(|_| {
        let rarely = Retry::fixed(Duration::from_secs(60));
        let redlock = Redlock::builder().node(node(&server)).retry(rarely).build().unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        tokio::spawn(async move {
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let lock = redlock.lock("r");
            for _ in 0..100 {
                let guard = lock.acquire_within(Duration::from_secs(60)).await.unwrap();
                let mut get = redis::cmd("GET");
                let count: Option<u64> =
                    get.arg("count").query_async(&mut connection).await.unwrap();
                let mut set = redis::cmd("SET");
                set.arg("count").arg(count.unwrap_or(0) + 1);
                set.query_async::<()>(&mut connection).await.unwrap();
                guard.release().await;
            }
        })
    });
    for done in futures::future::join_all(work).await {
        done.unwrap();
    }
    for program in &mut programs {
        assert_eq!(program.answer().await, "'done'");
    }
    assert_eq!(server.cmd::<u64>(&["GET", "count"]).unwrap(), 400);
}

#[tokio::test]
#[ignore = "run by scripts/python-redis-lock"]
async fn a_redlock_and_a_python_program_hand_the_lock_to_each_other() {
    let server = Server::start().unwrap();
    let rarely = Retry::fixed(Duration::from_secs(60));
    let redlock = Redlock::builder().node(node(&server)).retry(rarely).build().unwrap();
    let lock = redlock.lock("r");
    let mut python = Program::start(&server, "").await;
    for _ in 0..5 {
        let guard = lock.acquire_within(PATIENCE).await.unwrap();
        python.tell("lock.acquire()").await;
        asleep(&server, 1).await;
        guard.release().await;
        assert_eq!(python.answer().await, "True");
        let waits = redlock.lock("r");
        let waiting = tokio::spawn(async move { waits.acquire_within(PATIENCE).await });
        asleep(&server, 1).await;
        assert_eq!(python.ask("lock.release()").await, "None");
        waiting.await.unwrap().unwrap().release().await;
    }
}
