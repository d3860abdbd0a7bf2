//! What a node notices of its server: each adapter takes these tests into one of its own, beside
//! `common`.

#[path = "wrong_clock.rs"]
mod wrong_clock;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use redlock_core::{
    ClockStep, LockNode, Observer, Redlock, RedlockBuilder, RestartPolicy, StepDirection, Ttl,
    Warning,
};
use redlock_testkit::server::{Options, Server};

use self::wrong_clock::WrongClock;
use crate::common::{Node, PATIENCE, exists, node, ttl, until, votes};

/// Hears what there is to warn of, apart from those who do not tell of releases.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn warned(&self, warning: &Warning) {
        if !matches!(warning, Warning::NoNotifications { .. }) {
            self.0.lock().unwrap().push(warning.to_string());
        }
    }
}

impl Ear {
    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn redlock(node: &Node, ttl: Ttl) -> (Redlock, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let observer: Arc<dyn Observer> = Arc::<Ear>::clone(&ear);
    let builder = Redlock::builder().node(node.clone()).ttl(ttl.get()).observer(observer);
    (builder.node_timeout(ttl.get() / 2).build().unwrap(), ear)
}

async fn lock(redlock: &Redlock) {
    redlock.lock("r").acquire().await.unwrap().release().await;
}

fn remembers(node: &Node) -> Option<Duration> {
    node.witness().unwrap().remembers()
}

#[tokio::test]
async fn of_a_server_that_forgets_and_was_started_just_now_each_observer_is_warned_once() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    assert_eq!(remembers(&node), None, "nobody has asked it");
    let (first, heard_first) = redlock(&node, ttl(3_600_000));
    lock(&first).await;
    lock(&first).await;
    let heard = heard_first.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with(node.label()), "{heard:?}");
    assert!(heard[0].contains("may have forgotten locks of 3600s"), "{heard:?}");
    let (second, heard_second) = redlock(&node, ttl(3_600_000));
    lock(&second).await;
    assert_eq!(heard_second.heard().len(), 1);
    server.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    lock(&first).await;
    assert_eq!(heard_first.heard().len(), 1);
}

#[tokio::test]
async fn a_restart_makes_a_server_forget_that_has_been_running_for_long_enough() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    let (redlock, ear) = redlock(&node, ttl(2_000));
    assert!(votes(&node).await);
    until(PATIENCE, || async { remembers(&node).unwrap() > Duration::from_secs(2) }).await;
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
    server.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    lock(&redlock).await;
    // A machine may have taken its time.
    if remembers(&node).unwrap() < Duration::from_secs(2) {
        assert_eq!(ear.heard().len(), 1);
    }
}

#[tokio::test]
async fn who_writes_everything_down_or_waits_or_does_not_say_is_not_warned_of() {
    let mut persistent = Options::new().persistent().start().unwrap();
    let rules = ["~*", "&*", "+@all", "-info"];
    let silent = Options::new().user("poor", "pw", rules).start().unwrap();
    let plain = Server::start().unwrap();
    let wary = node(&plain).restart_policy(RestartPolicy::Quarantine { max_ttl: ttl(60_000) });
    wary.check().await.unwrap_err();
    assert_eq!(remembers(&wary), None);
    for node in [node(&persistent), Node::open(&silent.url_of("poor").unwrap()).unwrap()] {
        let (redlock, ear) = redlock(&node, ttl(60_000));
        lock(&redlock).await;
        assert_eq!((remembers(&node), ear.heard()), (None, vec![]));
    }
    let node = node(&persistent);
    let (redlock, ear) = redlock(&node, ttl(60_000));
    lock(&redlock).await;
    persistent.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    lock(&redlock).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn it_costs_nothing_but_a_word_when_connecting() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (redlock, _) = redlock(&node, ttl(60_000));
    lock(&redlock).await;
    let asked = server.calls("info").unwrap();
    for _ in 0..10 {
        lock(&redlock).await;
    }
    // Asking how often it was asked is asking once more.
    assert_eq!(server.calls("info").unwrap(), asked + 1);
}

/// Locks with fencing tokens, of two seconds.
fn fenced(node: &Node) -> RedlockBuilder {
    let builder = Redlock::builder().node(node.clone()).fencing(true);
    builder.ttl(Duration::from_secs(2)).node_timeout(Duration::from_secs(1))
}

fn steps(node: &Node) -> Vec<ClockStep> {
    node.witness().unwrap().clock_steps(0)
}

#[tokio::test]
async fn a_server_whose_clock_is_set_forward_has_no_vote_for_a_ttl_and_that_is_told_once() {
    // With an append-only file, so that there is nothing else to warn of.
    let server = Options::new().persistent().start().unwrap();
    let clock = WrongClock::before(&server).await;
    let node = Node::open(&clock.url()).unwrap();
    let ear = Arc::new(Ear::default());
    let observer: Arc<dyn Observer> = Arc::<Ear>::clone(&ear);
    let redlock = fenced(&node).observer(observer).build().unwrap();
    let graceful = fenced(&node).grace(Duration::from_secs(60)).build().unwrap();
    for _ in 0..3 {
        lock(&redlock).await;
    }
    assert_eq!((steps(&node), ear.heard()), (vec![], vec![]));

    let set = Instant::now();
    clock.set_ahead(20);
    let error = redlock.lock("r").try_acquire().await.unwrap_err().to_string();
    assert!(error.contains("its clock was set forward"), "{error}");
    redlock.settled().await;
    assert!(!exists(&server, "r"), "what it granted has been released");
    let found = steps(&node);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].direction(), StepDirection::Forward);
    let by = Duration::from_secs(20);
    assert!(found[0].at_least() < by && by < found[0].at_most(), "{found:?}");
    assert!(found[0].at_least() > Duration::from_secs(15), "{found:?}");
    lock(&graceful).await;
    until(PATIENCE, || async { redlock.lock("r").try_acquire().await.is_ok() }).await;
    assert!(set.elapsed() > Duration::from_secs(2), "{:?}", set.elapsed());
    let heard = ear.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with(&format!("the clock of {}", node.label())), "{heard:?}");

    // Back again, which costs no vote.
    redlock.settled().await;
    clock.set_ahead(0);
    lock(&redlock).await;
    assert_eq!(steps(&node)[1].direction(), StepDirection::Back);
    assert_eq!(ear.heard().len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_between_two_connections_is_noticed_by_those_who_only_greet() {
    let server = Options::new().persistent().start().unwrap();
    let clock = WrongClock::before(&server).await;
    let node = Node::open(&clock.url()).unwrap();
    assert!(votes(&node).await);
    clock.set_ahead(20);
    until(PATIENCE, || async {
        server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        votes(&node).await && steps(&node).len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_nobody_sets_is_not_said_to_be_set() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    let redlock = fenced(&node).build().unwrap();
    let all = (0..100).map(|n| {
        let redlock = &redlock;
        async move { redlock.lock(&*format!("r{n}")).acquire().await.unwrap().release().await }
    });
    futures::future::join_all(all).await;
    server.cmd::<()>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until(PATIENCE, || votes(&node)).await;
    lock(&redlock).await;
    server.stop();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.cont();
    until(PATIENCE, || votes(&node)).await;
    lock(&redlock).await;
    server.restart().unwrap();
    until(PATIENCE, || votes(&node)).await;
    lock(&redlock).await;
    assert_eq!(steps(&node), []);
}
