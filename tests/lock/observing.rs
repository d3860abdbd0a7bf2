//! What those who look on are told, in which order, and how often.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use redlock_testkit::{Fault, Operation};
use redlocks::{
    Acquired, Adopted, Attempted, Contended, Error, Extended, Freed, GaveUp, HandedOn, Healed,
    Lost, NodeFailed, NotExtended, Observer, Redlock, RedlockBuilder, Released, Renewal, Resource,
    Retry, Waited, Waiting, Warning,
};
use tokio::time::sleep;

use crate::support::{LEAD, MS, Nodes, SECOND, VALIDITY};

/// Writes down each event in a line, and all that its `Debug` shows.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Mutex<Vec<String>>,
    shown: Mutex<String>,
    held: AtomicI64,
    waiters: AtomicI64,
}

impl Journal {
    fn note(&self, line: String, event: &dyn std::fmt::Debug) {
        self.lines.lock().unwrap().push(line);
        self.shown.lock().unwrap().push_str(&format!("{event:?}\n"));
    }

    /// What has been told since the last time, without what nodes made of releases: that comes from
    /// the background.
    pub(crate) fn read(&self) -> Vec<String> {
        let mut lines = mem::take(&mut *self.lines.lock().unwrap());
        lines.retain(|line| !line.starts_with("freed"));
        lines
    }

    pub(crate) fn read_all(&self) -> Vec<String> {
        mem::take(&mut *self.lines.lock().unwrap())
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }

    /// All that the `Debug` of each event shows.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().lines().map(str::to_owned).collect()
    }

    /// How many locks are held, and how many calls wait.
    pub(crate) fn gauges(&self) -> (i64, i64) {
        (self.held.load(Ordering::Relaxed), self.waiters.load(Ordering::Relaxed))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Observer for Journal {
    fn warned(&self, event: &Warning) {
        self.note("warned".to_owned(), event);
    }

    fn attempted(&self, event: &Attempted<'_>) {
        let (number, outcome) = (event.number, event.outcome.name());
        self.note(format!("attempted {number} {outcome}"), event);
    }

    fn contended(&self, event: &Contended<'_>) {
        let holder = if event.holder.is_some() { "somebody" } else { "nobody" };
        self.note(format!("contended {} {holder} {:?}", event.number, event.remaining), event);
    }

    fn waiting(&self, event: &Waiting<'_>) {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        self.note("waiting".to_owned(), event);
    }

    fn waited(&self, event: &Waited<'_>) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        self.note(format!("waited {:?}", event.time), event);
    }

    fn acquired(&self, event: &Acquired<'_>) {
        self.held.fetch_add(1, Ordering::Relaxed);
        let Acquired { attempts, waited, validity, .. } = event;
        self.note(format!("acquired by {attempts} in {waited:?} for {validity:?}"), event);
    }

    fn gave_up(&self, event: &GaveUp<'_>) {
        let (reason, attempts, waited) = (event.reason.name(), event.attempts, event.waited);
        self.note(format!("gave up {reason} after {attempts} in {waited:?}"), event);
    }

    fn adopted(&self, event: &Adopted<'_>) {
        self.held.fetch_add(1, Ordering::Relaxed);
        self.note(format!("adopted for {:?}", event.validity), event);
    }

    fn extended(&self, event: &Extended<'_>) {
        let (by, margin, validity) = (event.by.name(), event.margin, event.validity);
        self.note(format!("extended by {by} with {margin:?} left for {validity:?}"), event);
    }

    fn not_extended(&self, event: &NotExtended<'_>) {
        self.note(format!("not extended by {}", event.by.name()), event);
    }

    fn healed(&self, event: &Healed<'_>) {
        self.note(format!("healed {}", event.label), event);
    }

    fn lost(&self, event: &Lost<'_>) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        let Lost { reason, held, .. } = event;
        assert!(event.margin <= SECOND, "{event:?}");
        self.note(format!("lost {reason:?} after {held:?}"), event);
    }

    fn released(&self, event: &Released<'_>) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.note(format!("released after {:?} with {:?} left", event.held, event.margin), event);
    }

    fn handed_on(&self, event: &HandedOn<'_>) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.note(format!("handed on after {:?}", event.held), event);
    }

    fn freed(&self, event: &Freed<'_>) {
        self.note(format!("freed {:?}", event.outcome), event);
    }

    fn node_failed(&self, event: &NodeFailed<'_>) {
        self.note(format!("failed {} {:?}", event.error.label(), event.error.kind()), event);
    }
}

fn builder(nodes: &Nodes) -> RedlockBuilder {
    nodes.builder().ttl(SECOND).node_timeout(50 * MS)
}

fn observed(nodes: &Nodes, renewal: Renewal) -> (Redlock, Arc<Journal>) {
    let journal = Arc::<Journal>::default();
    let observer: Arc<dyn Observer> = Arc::<Journal>::clone(&journal);
    (builder(nodes).renewal(renewal).observer(observer).build().unwrap(), journal)
}

fn r() -> Resource {
    Resource::new("r").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lock_from_its_acquire_to_its_release() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    let guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(journal.read(), ["attempted 1 granted", "acquired by 1 in 0ns for 988ms"]);
    assert_eq!(journal.gauges(), (1, 0));
    sleep(100 * MS).await;
    guard.release().await;
    assert_eq!(journal.read_all(), ["released after 100ms with 888ms left", "freed Released"]);
    assert_eq!(journal.gauges(), (0, 0));

    drop(redlock.lock("r").try_acquire().await.unwrap());
    let told = journal.read();
    let dropped = "released after 0ns with 988ms left";
    assert_eq!(told, ["attempted 1 granted", "acquired by 1 in 0ns for 988ms", dropped]);
    redlock.settled().await;
    assert_eq!(journal.read_all(), ["freed Released"]);
    sleep(5 * SECOND).await;
    assert_eq!(journal.read_all(), [""; 0], "its end is told once");
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn somebody_else_who_has_it() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    nodes.occupy(0..3, "r", 300 * MS).await;
    redlock.lock("r").try_acquire().await.unwrap_err();
    let met = ["attempted 1 contended", "contended 1 somebody Some(300ms)"];
    assert_eq!(journal.read(), [met[0], met[1], "gave up contended after 1 in 0ns"]);

    let guard = redlock.lock("r").acquire_within(SECOND).await.unwrap();
    let told = journal.read();
    let known = ["waiting", "attempted 2 contended", "contended 2 somebody Some(300ms)"];
    assert_eq!(told[..5], [&met[..], &known[..]].concat(), "asked again when it listened");
    let tail: Vec<_> = told[told.len() - 3..].iter().map(String::as_str).collect();
    let [attempted, waited, acquired] = tail[..] else { panic!("{told:?}") };
    assert!(attempted.ends_with("granted"), "{told:?}");
    assert!(waited.starts_with("waited 30"), "{told:?}");
    assert!(acquired.contains(" in 30"), "{told:?}");
    assert_eq!(told.iter().filter(|line| *line == "waiting").count(), 1);
    assert_eq!(journal.gauges(), (1, 0));
    drop(guard);
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_in_the_queue_of_this_process() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    let guard = redlock.lock("r").acquire().await.unwrap();
    journal.read();
    let lock = redlock.lock("r");
    let next = tokio::spawn(async move { lock.acquire_within(SECOND).await });
    sleep(100 * MS).await;
    assert_eq!(journal.read(), ["waiting"]);
    assert_eq!(journal.gauges(), (1, 1));
    guard.release().await;
    let guard = next.await.unwrap().unwrap();
    let told = journal.read();
    let released = "released after 100ms with 888ms left";
    let acquired = "acquired by 1 in 100ms for 988ms";
    assert_eq!(told, [released, "attempted 1 granted", "waited 100ms", acquired]);
    drop(guard);

    let guard = redlock.lock("r").acquire().await.unwrap();
    journal.read();
    let error = redlock.lock("r").acquire_within(200 * MS).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    let told = journal.read();
    assert_eq!(told[0], "waiting");
    assert!(told[1].starts_with("waited "), "{told:?}");
    assert!(told[2].starts_with("gave up contended after 0 in "), "{told:?}");
    drop(guard);
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_cancelled() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    // In an attempt.
    (0..3).for_each(|node| nodes.memory(node).hang());
    let lock = redlock.lock("r");
    assert!(tokio::time::timeout(10 * MS, lock.acquire()).await.is_err());
    assert_eq!(journal.read(), ["attempted 1 cancelled", "gave up cancelled after 1 in 10ms"]);
    (0..3).for_each(|node| nodes.memory(node).resume());
    redlock.settled().await;
    // Waiting for somebody elsewhere, and for somebody here.
    nodes.occupy(0..3, "r", 10 * SECOND).await;
    let guard = redlock.lock("s").acquire().await.unwrap();
    journal.read();
    for name in ["r", "s"] {
        let lock = redlock.lock(name);
        assert!(tokio::time::timeout(10 * MS, lock.acquire_within(SECOND)).await.is_err());
        let told = journal.read();
        let end: Vec<_> = told[told.len() - 2..].iter().map(String::as_str).collect();
        assert_eq!(end[0], "waited 10ms", "{told:?}");
        assert!(end[1].starts_with("gave up cancelled"), "{told:?}");
        assert_eq!(journal.gauges(), (1, 0));
    }
    // Not even begun.
    drop(redlock.lock("r").acquire());
    assert_eq!(journal.read(), [""; 0]);
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_fails_once_for_each_call() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    nodes.memory(1).crash();
    nodes.memory(2).crash();
    redlock.lock("r").try_acquire().await.unwrap_err();
    redlock.settled().await;
    let told = journal.read();
    let failed = ["failed b Unreachable", "failed c Unreachable"];
    let end = ["attempted 1 unavailable", "gave up unavailable after 1 in 0ns"];
    assert_eq!(told, [failed, end].concat());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_told_of_when_it_is_late_though_nobody_waits_for_it() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    nodes.memory(2).hang();
    let guard = redlock.lock("r").acquire().await.unwrap();
    journal.read();
    sleep(49 * MS).await;
    assert_eq!(journal.read(), [""; 0]);
    sleep(2 * MS).await;
    assert_eq!(journal.read(), ["failed c TimedOut"]);
    // And not again when the call fails in the end.
    nodes.memory(2).crash();
    sleep(10 * MS).await;
    assert_eq!(journal.read(), [""; 0]);
    nodes.memory(2).restart();
    drop(guard);
    redlock.settled().await;
    assert_eq!(journal.read().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn extensions_by_the_renewal_and_by_the_holder() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::default());
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    journal.read();
    guard.extend(SECOND).await.unwrap();
    assert_eq!(journal.read(), ["extended by holder with 988ms left for 988ms"]);
    sleep(400 * MS).await;
    let told = journal.read();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("extended by renewal with 6"), "{told:?}");
    nodes.memory(1).evict(&r());
    sleep(400 * MS).await;
    let told = journal.read();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("extended by renewal"), "{told:?}");
    assert_eq!(told[1], "healed b");
    // Too few answer: it is held as before, and the loss is told on time.
    (0..2).for_each(|node| nodes.memory(node).crash());
    sleep(400 * MS).await;
    assert!(journal.count("not extended by renewal") > 0);
    let error = guard.extend(SECOND).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(journal.count("not extended by holder"), 1);
    guard.lost().await;
    assert_eq!(journal.gauges(), (0, 0));
    assert_eq!(journal.count("lost Expired"), 1);
    drop(guard);
    redlock.settled().await;
    assert_eq!((journal.count("lost"), journal.count("released")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_loss_once_however_it_comes() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::default());
    let guard = redlock.lock("r").acquire().await.unwrap();
    (0..2).for_each(|node| nodes.memory(node).evict(&r()));
    guard.lost().await;
    assert_eq!(journal.count("lost QuorumLost"), 1);
    guard.check().unwrap_err();
    guard.release().await;
    let lost: Vec<_> = journal.read().into_iter().filter(|line| line.contains("lost")).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!((journal.count("released"), journal.gauges()), (0, (0, 0)));

    // Its time is over and nobody has looked: the guard is dropped in the same moment.
    let lock = redlock.lock("s").renewal(Renewal::off());
    let guard = lock.acquire().await.unwrap();
    journal.read();
    tokio::time::advance(VALIDITY).await;
    drop(guard);
    assert_eq!(journal.read(), ["lost Expired after 988ms"]);
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_forgotten() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    mem::forget(redlock.lock("r").acquire().await.unwrap());
    journal.read();
    sleep(VALIDITY - LEAD - MS).await;
    assert_eq!(journal.gauges(), (1, 0));
    sleep(LEAD + MS).await;
    assert_eq!(journal.gauges(), (0, 0), "nobody had asked for it");
    let renewed = redlock.lock("s").renewal(Renewal::default()).max_hold(3 * SECOND);
    mem::forget(renewed.acquire().await.unwrap());
    journal.read();
    sleep(2 * SECOND).await;
    assert_eq!(journal.gauges(), (1, 0));
    sleep(SECOND).await;
    assert_eq!(journal.gauges(), (0, 0));
    assert_eq!(journal.count("lost"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_goes_from_hand_to_hand() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    let guard = redlock.lock("r").acquire().await.unwrap();
    journal.read();
    sleep(10 * MS).await;
    let lease = guard.into_lease();
    assert_eq!(journal.read(), ["handed on after 10ms"]);
    assert_eq!(journal.gauges(), (0, 0));
    let guard = redlock.adopt(&lease).await.unwrap();
    assert_eq!(journal.read(), ["adopted for 988ms"]);
    assert_eq!(journal.gauges(), (1, 0));
    drop(guard);
    assert_eq!(journal.read(), ["released after 0ns with 988ms left"]);
    redlock.release(&lease).await;
    assert_eq!(journal.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_takes_his_lock_once_more_is_told_of_once() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::off());
    let owner = redlock.lock("r").reentrant();
    let first = owner.acquire().await.unwrap();
    let second = owner.try_acquire().await.unwrap();
    let third = owner.acquire().await.unwrap();
    assert_eq!(journal.count("acquired"), 1);
    assert_eq!(journal.count("gave up"), 0);
    drop((first, second));
    assert_eq!(journal.gauges(), (1, 0));
    drop(third);
    assert_eq!(journal.gauges(), (0, 0));
    assert_eq!(journal.count("gave up"), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_told_shows_a_token() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::default());
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.lock("r").try_acquire().await.unwrap_err();
    sleep(400 * MS).await;
    let token = String::from_utf8(guard.token().as_bytes().to_vec()).unwrap();
    let mark = format!("{:?}", guard.token().fingerprint());
    guard.release().await;
    let shown = journal.shown.lock().unwrap().clone();
    for kind in ["Attempted", "Acquired", "Contended", "Extended", "Released", "Freed"] {
        assert!(shown.contains(kind), "{kind}: {shown}");
    }
    assert!(shown.contains(&mark), "{shown}");
    assert!(!shown.contains(&token), "{shown}");
}

/// Panics at each event, after it has written it down.
#[derive(Debug, Default)]
struct Defective(Journal);

macro_rules! panics {
    ($($method:ident $event:ty),* $(,)?) => {
        #[deny(clippy::missing_trait_methods)]
        impl Observer for Defective {
            $(fn $method(&self, event: &$event) {
                self.0.$method(event);
                panic!("an observer with a defect");
            })*
        }
    };
}

panics! {
    warned Warning, attempted Attempted<'_>, contended Contended<'_>, waiting Waiting<'_>,
    waited Waited<'_>, acquired Acquired<'_>, gave_up GaveUp<'_>, adopted Adopted<'_>,
    extended Extended<'_>, not_extended NotExtended<'_>, healed Healed<'_>, lost Lost<'_>,
    released Released<'_>, handed_on HandedOn<'_>, freed Freed<'_>, node_failed NodeFailed<'_>,
}

/// Everything that can be told, in one story.
async fn story(nodes: &Nodes, redlock: &Redlock) {
    nodes.memory(0).mute();
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.lock("r").try_acquire().await.unwrap_err();
    redlock.lock("r").acquire_within(20 * MS).await.unwrap_err();
    nodes.occupy(0..3, "t", 100 * MS).await;
    redlock.lock("t").acquire_within(SECOND).await.unwrap().release().await;
    nodes.memory(1).evict(&r());
    sleep(400 * MS).await;
    let guard = redlock.adopt(&guard.into_lease()).await.unwrap();
    let unwinds = std::thread::spawn(move || {
        let _guard = guard;
        panic!("while the guard is held");
    });
    unwinds.join().unwrap_err();
    redlock.settled().await;
    let guard = redlock.lock("s").acquire().await.unwrap();
    for node in 0..2 {
        nodes.script(node, Operation::Extend, Fault::LoseReply);
        nodes.memory(node).crash();
    }
    sleep(400 * MS).await;
    guard.lost().await;
    (0..2).for_each(|node| nodes.memory(node).restart());
    redlock.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_costs_nobody_anything() {
    let nodes = Nodes::new(3);
    let (defective, sound) = (Arc::<Defective>::default(), Arc::<Journal>::default());
    let others: Arc<dyn Observer> = Arc::<Journal>::clone(&sound);
    let observed =
        builder(&nodes).observer(Arc::<Defective>::clone(&defective) as _).observer(others);
    let redlock = observed.build().unwrap();
    story(&nodes, &redlock).await;
    let (told, also) = (defective.0.read_all(), sound.read_all());
    assert_eq!(told, also, "all are told the same");
    for kind in [
        "warned",
        "attempted",
        "contended",
        "waiting",
        "waited",
        "acquired",
        "gave up",
        "adopted",
        "extended",
        "not extended",
        "healed",
        "lost",
        "released",
        "handed on",
        "freed",
        "failed",
    ] {
        assert!(told.iter().any(|line| line.starts_with(kind)), "{kind}: {told:?}");
    }
    assert_eq!(sound.gauges(), (0, 0));
    nodes.assert_clean(&redlock).await;

    // The same without an observer leaves the nodes asked as often.
    let asked = |nodes: &Nodes| (0..3).map(|node| nodes.memory(node).calls().release).sum::<u64>();
    let alone = Nodes::new(3);
    story(&alone, &builder(&alone).build().unwrap()).await;
    assert_eq!(asked(&nodes), asked(&alone));
}

/// Many calls of all kinds at once: what is counted up is counted down.
#[tokio::test(start_paused = true)]
async fn gauges_come_back_to_zero() {
    let nodes = Nodes::new(3);
    let (redlock, journal) = observed(&nodes, Renewal::default());
    let tasks = (0..40_u32).map(|number| {
        let lock = redlock.lock(format!("r{}", number % 3)).retry(Retry::fixed(20 * MS));
        tokio::spawn(async move {
            sleep(Duration::from_millis(u64::from(number * 7 % 50))).await;
            let patience = MS * (number * 37 % 400);
            let Ok(Ok(guard)) = tokio::time::timeout(patience, lock.acquire()).await else {
                return;
            };
            sleep(MS * (number * 13 % 60)).await;
            match number % 4 {
                0 => drop(guard),
                1 => drop(guard.release().await),
                2 => assert!(
                    guard.release().now_or_never().is_none_or(|release| release.is_released())
                ),
                _ => mem::forget(guard.into_lease()),
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    sleep(30 * MS).await;
    assert!(journal.gauges().0 > 0 && journal.gauges().1 > 0, "{:?}", journal.gauges());
    nodes.memory(2).hang();
    for task in tasks {
        task.await.unwrap();
    }
    nodes.memory(2).resume();
    redlock.settled().await;
    assert_eq!(journal.gauges(), (0, 0));
    assert_eq!(journal.count("waiting"), journal.count("waited"));
    let ends = ["released", "handed on", "lost"].map(|end| journal.count(end));
    assert_eq!(journal.count("acquired"), ends.iter().sum::<usize>());
    assert!(ends[0] > 0 && ends[1] > 0, "{ends:?}");
    assert!(journal.count("gave up cancelled") > 0);
}
