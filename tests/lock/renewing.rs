//! Locks that renew themselves, and how their loss is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use redlock_testkit::{Fault, Operation};
use redlocks::{
    ConfigError, Error, LossReason, Moment, NoRuntime, OsRandom, Random, RandomError, Redlock,
    ReleaseOutcome, Renewal, Resource, Runtime, TokioRuntime,
};
use tokio::time::{Instant, advance, sleep};

use crate::support::{LEAD, MS, Nodes, SECOND, VALIDITY};

fn r() -> Resource {
    Resource::new("r").unwrap()
}

fn renewed(nodes: &Nodes) -> Redlock {
    nodes.builder().ttl(SECOND).node_timeout(50 * MS).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_kept_for_as_long_as_its_guard_lives() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    for _ in 0..600 {
        sleep(100 * MS).await;
        assert!(guard.is_valid());
        assert!(guard.remaining() > VALIDITY / 2);
    }
    let renewals = nodes.memory(0).calls().extend;
    assert!((180..=200).contains(&renewals), "{renewals} in a minute at a third of a second");
    assert!(guard.release().await.is_released());
    nodes.assert_clean(&redlock).await;
    sleep(10 * SECOND).await;
    assert_eq!(nodes.memory(0).calls().extend, renewals, "renewed after its release");
}

#[tokio::test(start_paused = true)]
async fn a_lock_without_renewal_ends_with_its_validity() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").renewal(Renewal::off()).acquire().await.unwrap();
    let start = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!(start.elapsed() <= VALIDITY && start.elapsed() >= VALIDITY - LEAD);
    assert!(!guard.is_valid());
    assert_eq!(nodes.memory(0).calls().extend, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hung_minority_costs_a_renewed_lock_nothing() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    nodes.memory(2).hang();
    let kept = tokio::time::timeout(60 * SECOND, guard.lost()).await;
    assert!(kept.is_err(), "lost: {kept:?}");
    assert!(guard.is_valid());
}

#[tokio::test(start_paused = true)]
async fn when_all_nodes_hang_the_loss_is_told_before_the_validity_ends() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    let told = tokio::spawn(async move { (loss.lost().await, Instant::now()) });
    sleep(2 * SECOND).await;
    let end = Instant::now() + guard.remaining();
    (0..3).for_each(|node| nodes.memory(node).hang());
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!(Instant::now() <= end, "{:?} late", Instant::now() - end);
    let (reason, at) = told.await.unwrap();
    assert_eq!(reason, Some(LossReason::Expired));
    assert!(at <= end);
    assert!(matches!(guard.check(), Err(Error::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_and_neither_prolongs_nor_ends_the_lock() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    (0..3).for_each(|node| nodes.memory(node).hang());
    sleep(VALIDITY * 3 / 4).await;
    assert!(guard.is_valid());
    assert!(guard.remaining() <= VALIDITY / 4, "prolonged by nobody");
    (0..3).for_each(|node| nodes.memory(node).resume());
    sleep(SECOND).await;
    assert!(guard.is_valid(), "renewed when nodes answered again");
}

#[tokio::test(start_paused = true)]
async fn a_majority_without_the_key_is_told_at_the_next_renewal() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    (0..2).for_each(|node| nodes.memory(node).evict(&r()));
    let start = Instant::now();
    assert_eq!(loss.lost().await, Some(LossReason::QuorumLost));
    assert!(start.elapsed() <= SECOND / 3 + MS);
    assert!(!guard.is_valid());
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn nodes_that_forget_one_after_the_other_get_the_key_again() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(guard.margin(), 1);
    for round in 0..12 {
        nodes.memory(round % 3).evict(&r());
        sleep(2 * SECOND / 3).await;
        assert!(guard.is_valid(), "lost in round {round}");
        assert_eq!(nodes.tokens("r"), vec![Some(guard.token().clone()); 3]);
        assert_eq!(guard.margin(), 1);
    }
    guard.release().await;
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_healed_after_the_release_keeps_nothing() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    nodes.memory(2).evict(&r());
    nodes.script(2, Operation::Acquire, Fault::DelayRequest(500 * MS));
    sleep(SECOND / 2).await;
    assert!(guard.release().await.is_released());
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_not_held_for_longer_than_it_may_be() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let start = Instant::now();
    let guard = redlock.lock("r").max_hold(5 * SECOND).acquire().await.unwrap();
    assert_eq!(guard.lost().await, LossReason::HeldTooLong);
    assert!(start.elapsed() <= 5 * SECOND && start.elapsed() > 5 * SECOND - LEAD);
    nodes.assert_clean(&redlock).await;

    // Also if its guard is out of reach.
    std::mem::forget(redlock.lock("r").max_hold(5 * SECOND).acquire().await.unwrap());
    sleep(4 * SECOND).await;
    assert!(redlock.lock("r").try_acquire().await.is_err());
    sleep(SECOND).await;
    redlock.settled().await;
    assert!(redlock.lock("r").try_acquire().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nodes_keep_a_lock_for_the_grace_and_its_holder_does_not() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).grace(2 * SECOND);
    let redlock = builder.build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    assert_eq!(guard.remaining(), VALIDITY);
    assert!(nodes.memory(0).keys()[0].remaining >= 3 * SECOND);
    sleep(5 * SECOND).await;
    assert!(nodes.memory(0).keys()[0].remaining > 2 * SECOND + SECOND / 2);
    (0..3).for_each(|node| nodes.memory(node).hang());
    guard.lost().await;
    let lost_at = Instant::now();
    drop(guard);
    // Nodes that answer again do not give it to anybody else before the grace is over.
    (0..3).for_each(|node| nodes.memory(node).resume());
    let next = redlock.lock("r").acquire_within(10 * SECOND).await.unwrap();
    assert!(lost_at.elapsed() >= 2 * SECOND, "after {:?}", lost_at.elapsed());
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn a_short_job_keeps_its_lock_for_its_shortest_hold() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let lock = redlock.lock("r").hold_at_least(800 * MS);
    let start = Instant::now();
    let guard = lock.acquire().await.unwrap();
    let release = guard.release().await;
    assert_eq!(release.outcome(), ReleaseOutcome::Kept);
    assert_eq!(release.to_string(), r#""r" is kept until its shortest hold is over"#);
    assert_eq!(start.elapsed(), Duration::ZERO, "the job is not held up");
    sleep(799 * MS).await;
    assert!(matches!(redlock.lock("r").try_acquire().await, Err(Error::Contended(_))));
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0);
    assert_eq!(start.elapsed(), 800 * MS);

    // Dropped it is the same, and a longer job pays nothing.
    drop(lock.acquire().await.unwrap());
    sleep(799 * MS).await;
    assert_eq!(nodes.count_keys(), 3);
    redlock.settled().await;
    let guard = lock.acquire().await.unwrap();
    sleep(800 * MS).await;
    assert!(guard.release().await.is_released());
}

#[tokio::test(start_paused = true)]
async fn who_gave_a_lock_away_neither_releases_it_nor_reports_its_loss() {
    let nodes = Nodes::new(3);
    let (here, there) = (renewed(&nodes), renewed(&nodes));
    let guard = here.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    let lease = guard.into_lease();
    assert_eq!(loss.lost().await, None);
    let adopted = there.adopt(&lease).await.unwrap();
    drop(here);
    sleep(30 * SECOND).await;
    assert!(adopted.is_valid(), "nobody renews it any more");
    assert_eq!(loss.reason(), None);
    assert!(adopted.release().await.is_released());
    nodes.assert_clean(&there).await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_outlives_its_guard_and_tells_a_release_apart_from_a_loss() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let guard = redlock.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    let waiting = tokio::spawn({
        let loss = loss.clone();
        async move { loss.lost().await }
    });
    tokio::task::yield_now().await;
    drop(guard);
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(loss.lost().await, None);
    assert_eq!(loss.reason(), None);
    nodes.assert_clean(&redlock).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_runs_for_longer_than_the_ttl_and_is_dropped_when_the_lock_is_lost() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let done = redlock.lock("r").run(async |_| sleep(20 * SECOND).await).await;
    done.unwrap();
    let start = Instant::now();
    let nodes_of = &nodes;
    let lock = redlock.lock("r");
    let lost = lock.run(async |_| {
        sleep(5 * SECOND).await;
        (0..3).for_each(|node| nodes_of.memory(node).evict(&r()));
        sleep(20 * SECOND).await;
    });
    let lost = lost.await.unwrap_err();
    assert!(matches!(lost, Error::Lost { reason: LossReason::QuorumLost, .. }), "{lost}");
    assert!(start.elapsed() < 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_holders_own_extension_and_a_renewal_do_not_get_in_each_others_way() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    for _ in 0..50 {
        guard.extend(2 * SECOND).await.unwrap();
        sleep(37 * MS).await;
        assert!(guard.is_valid());
    }
    // One that its holder has stopped to poll holds no renewal up for ever.
    (0..3).for_each(|node| nodes.script(node, Operation::Extend, Fault::DelayReply(40 * MS)));
    {
        let mut stuck = std::pin::pin!(guard.extend(2 * SECOND));
        assert!((&mut stuck).now_or_never().is_none());
        sleep(10 * SECOND).await;
    }
    assert!(guard.is_valid());
}

#[tokio::test(start_paused = true)]
async fn many_locks_are_kept_by_one_task() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut guards = Vec::new();
    for number in 0..500 {
        guards.push(redlock.lock(format!("r{number}")).acquire().await.unwrap());
    }
    sleep(20 * SECOND).await;
    assert!(guards.iter().all(redlocks::Guard::is_valid));
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks() - before;
    assert!(tasks <= 2, "{tasks} tasks: one keeps, one cleans up");
    drop(guards);
    nodes.assert_clean(&redlock).await;
    drop(redlock);
    sleep(5 * SECOND).await;
    let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(left, before, "a task outlives its redlock");
}

#[test]
fn settings_that_do_not_belong_together_are_refused_with_both_values() {
    let builder = || Nodes::new(3).builder().ttl(SECOND).node_timeout(50 * MS);
    let refused = |result: Result<Redlock, ConfigError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(builder().renewal(Renewal::every(940 * MS)).build()),
        "a renewal every 940ms with a node timeout of 50ms is not within the validity 988ms"
    );
    assert_eq!(
        refused(builder().renewal(Renewal::every(Duration::ZERO)).build()),
        "the renewal interval is zero"
    );
    assert_eq!(
        refused(builder().max_hold(999 * MS).build()),
        "the longest hold 999ms is below the ttl 1s"
    );
    let refused = refused(builder().grace(Duration::MAX).build());
    assert!(refused.starts_with("the grace "), "{refused}");
    assert!(refused.contains("and the ttl 1s are together above the longest"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_shortest_hold_above_the_ttl_is_refused_before_any_node_is_asked() {
    let nodes = Nodes::new(3);
    let lock = renewed(&nodes).lock("r").hold_at_least(1001 * MS);
    let error = lock.acquire().await.unwrap_err();
    assert_eq!(error.to_string(), "the shortest hold 1.001s is above the ttl 1s");
    assert_eq!(nodes.memory(0).calls().acquire, 0);
}

/// A clock that counts a suspension, over timers that do not.
#[derive(Debug, Default)]
struct Suspended {
    timers: TokioRuntime,
    millis: AtomicU64,
}

impl Suspended {
    fn suspend(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn missed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

impl Runtime for Suspended {
    fn now(&self) -> Moment {
        self.timers.now().after(self.missed())
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        self.timers.sleep_until(deadline.before(self.missed()))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.timers.spawn(task)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_does_not_survive_a_suspension_that_outlasts_it_and_soon_everybody_knows() {
    let nodes = Nodes::new(3);
    let machine = Arc::new(Suspended::default());
    let runtime: Arc<dyn Runtime> = Arc::<Suspended>::clone(&machine);
    let builder = nodes.builder().ttl(60 * SECOND).runtime(runtime);
    let redlock = builder.renewal(Renewal::off()).build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    let told = tokio::spawn(async move { (loss.lost().await, Instant::now()) });
    advance(5 * SECOND).await;
    machine.suspend(3600 * SECOND);
    assert!(!guard.is_valid());
    assert_eq!(guard.remaining(), Duration::ZERO);
    let resumed = Instant::now();
    let (reason, at) = told.await.unwrap();
    assert_eq!(reason, Some(LossReason::Expired));
    // A timer set before the suspension would have slept for another fifty seconds.
    assert!(at - resumed <= SECOND, "{:?} after the machine woke up", at - resumed);
}

/// Two runtimes of one process need not count from the same moment.
#[tokio::test(start_paused = true)]
async fn a_lease_whose_end_was_read_off_another_clock_makes_no_lock_longer_than_its_ttl() {
    let nodes = Nodes::new(3);
    let machine = Arc::new(Suspended::default());
    machine.suspend(3600 * SECOND);
    let builder = nodes.builder().ttl(SECOND).runtime(machine);
    let ahead = builder.renewal(Renewal::off()).build().unwrap();
    let lease = ahead.lock("r").acquire().await.unwrap().into_lease();
    sleep(500 * MS).await;
    let here = nodes.redlock();
    let extended = here.extend(&lease, 500 * MS).await.unwrap();
    assert_eq!(extended.until(), lease.until(), "by the clock that it was read off");
    let adopted = here.adopt(&lease).await.unwrap();
    assert_eq!(adopted.remaining(), VALIDITY);
    assert_eq!(adopted.lease().validity(), VALIDITY);
}

/// A source of chance that panics when it is told to.
#[derive(Debug, Default)]
struct Moody(AtomicBool);

impl Random for Moody {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        assert!(!self.0.load(Ordering::SeqCst), "in no mood");
        OsRandom.fill(bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_panics_ends_neither_that_lock_nor_the_others() {
    let nodes = Nodes::new(3);
    let moody = Arc::new(Moody::default());
    let random: Arc<dyn Random> = Arc::<Moody>::clone(&moody);
    let builder = nodes.builder().ttl(SECOND).node_timeout(50 * MS).random(random);
    let redlock = builder.build().unwrap();
    let (one, two) = (redlock.lock("1"), redlock.lock("2"));
    let guards = [one.acquire().await.unwrap(), two.acquire().await.unwrap()];
    moody.0.store(true, Ordering::SeqCst);
    sleep(SECOND / 2).await;
    moody.0.store(false, Ordering::SeqCst);
    let asked = nodes.memory(0).calls().extend;
    assert!((2..50).contains(&asked), "asked {asked} times in half a second");
    sleep(10 * SECOND).await;
    assert!(guards.iter().all(redlocks::Guard::is_valid), "nobody renews any more");
}
