//! What may happen at the very moment at which a lock ends, is handed on or is renewed.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use redlock_testkit::{Fault, MemoryNode, Operation};
use redlocks::{Guard, LossReason, Moment, NoRuntime, Redlock, Renewal, Runtime, TokioRuntime};
use tokio::time::sleep;

use crate::support::{MS, Nodes, SECOND};

fn renewed(nodes: &Nodes) -> Redlock {
    nodes.builder().ttl(SECOND).node_timeout(50 * MS).build().unwrap()
}

/// Whose next task is spawned in the very moment in which a guard goes.
#[derive(Debug, Default)]
struct Crossing {
    tokio: TokioRuntime,
    goes: Mutex<Option<Guard>>,
}

impl Runtime for Crossing {
    fn now(&self) -> Moment {
        self.tokio.now()
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        self.tokio.sleep_until(deadline)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let goes = self.goes.lock().unwrap().take();
        drop(goes);
        self.tokio.spawn(task)
    }
}

/// The first who waits for a loss starts the keeper, after he has seen that the lock is held.
#[tokio::test(start_paused = true)]
async fn an_end_that_crosses_the_first_look_of_who_waits_for_it_is_told_at_once() {
    let nodes = Nodes::new(3);
    let runtime = Arc::new(Crossing::default());
    let redlock = nodes.builder().ttl(60 * SECOND).renewal(Renewal::off());
    let redlock = redlock.runtime(Arc::<Crossing>::clone(&runtime)).build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    let loss = guard.loss();
    *runtime.goes.lock().unwrap() = Some(guard);
    assert_eq!(loss.lost().now_or_never(), Some(None), "told when the ttl is over");
    assert!(runtime.goes.lock().unwrap().is_none(), "nothing has crossed");
}

/// More renewals are due than are begun at once, and the others are handed on before their turn.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_handed_on_while_it_waits_for_its_renewal_is_left_alone() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let mut guards = Vec::new();
    for number in 0..300 {
        // Grants when the lock has been handed on.
        nodes.script(2, Operation::Acquire, Fault::DelayReply(800 * MS));
        guards.push(redlock.lock(format!("r{number}")).acquire().await.unwrap());
    }
    (0..2).for_each(|node| nodes.memory(node).hang());
    // Some are being renewed, some wait for it.
    sleep(SECOND / 3).await;
    let losses: Vec<_> = guards.iter().map(Guard::loss).collect();
    let leases: Vec<_> = guards.into_iter().map(Guard::into_lease).collect();
    (0..2).for_each(|node| nodes.memory(node).resume());
    sleep(SECOND / 2).await;
    assert_eq!(losses.iter().filter_map(redlocks::LossSignal::reason).next(), None);
    for node in 0..3 {
        assert_eq!(nodes.memory(node).calls().release, 0, "whoever adopted it loses it");
    }
    drop(leases);
}

/// As that of an executor which is gone: there is nobody to give the task to.
struct Orphaned;

impl Wake for Orphaned {
    fn wake(self: Arc<Self>) {
        panic!("nobody takes this task any more");
    }
}

/// As an executor does that is shutting down: it drops the task that is to run.
struct Dropping(Mutex<Option<BoxFuture<'static, ()>>>);

impl Wake for Dropping {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn within<T: Send + 'static>(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    result.recv_timeout(patience).expect("it hangs, or panicked")
}

#[test]
fn whoever_is_woken_by_the_end_of_a_lock_may_drop_others_who_wait_for_it() {
    within(30 * SECOND, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let nodes = Nodes::new(3);
            let guard = renewed(&nodes).lock("r").acquire().await.unwrap();
            let mut wakers = Vec::new();
            for _ in 0..3 {
                let loss = guard.loss();
                let mut waiting = async move { loss.lost().await }.map(drop).boxed();
                let task = Arc::new(Dropping(Mutex::default()));
                let waker = Waker::from(Arc::clone(&task));
                assert!(waiting.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
                *task.0.lock().unwrap() = Some(waiting);
                wakers.push(waker);
            }
            drop(guard);
        });
    });
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_costs_other_locks_and_other_waiters_nothing() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let kept = redlock.lock("kept").acquire().await.unwrap();
    let ends = redlock.lock("ends").acquire().await.unwrap();
    let loss = ends.loss();
    let mut waiting = async move { loss.lost().await }.map(drop).boxed();
    let waker = Waker::from(Arc::new(Orphaned));
    assert!(waiting.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    // Told by the next renewal, and not by the timers of those who wait.
    (0..2).for_each(|node| nodes.memory(node).evict(ends.resource()));
    let loss = ends.loss();
    let told = tokio::spawn(async move { loss.lost().await });
    assert_eq!(told.await.unwrap(), Some(LossReason::QuorumLost));
    drop(waiting);
    sleep(10 * SECOND).await;
    assert!(kept.is_valid(), "nobody keeps it any more");
    assert_eq!(nodes.count_keys(), 3, "the lost one has not been released");
}

/// Nodes that answer at once, and a lock that is always due.
#[test]
fn renewals_that_are_always_due_leave_time_for_others() {
    within(60 * SECOND, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let clock: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
            let nodes = ["a", "b", "c"].map(|label| MemoryNode::new(label, Arc::clone(&clock)));
            let redlock = Redlock::builder()
                .nodes(nodes)
                .renewal(Renewal::every(Duration::from_nanos(1)))
                .build()
                .unwrap();
            let mut guards = Vec::new();
            for number in 0..3 {
                guards.push(redlock.lock(format!("r{number}")).acquire().await.unwrap());
            }
            sleep(100 * MS).await;
            assert!(guards.iter().all(Guard::is_valid));
        });
    });
}

/// Locks that are renewed all the time, in every race with those who hold them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_races_nothing_is_lost_and_nothing_is_left() {
    let nodes = Nodes::new(3);
    let builder = nodes.builder().ttl(60 * SECOND).node_timeout(20 * SECOND);
    let redlock = builder.renewal(Renewal::every(100 * MS / 1000)).build().unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut holders = Vec::new();
    for holder in 0..8 {
        let redlock = redlock.clone();
        holders.push(tokio::spawn(async move {
            for round in 0..300_u32 {
                let lock = redlock.lock(format!("r{holder}"));
                let mut guard = lock.acquire_within(30 * SECOND).await.unwrap();
                let loss = guard.loss();
                let told = (round % 2 == 0).then(|| {
                    tokio::spawn({
                        let loss = loss.clone();
                        async move { loss.lost().await }
                    })
                });
                if round % 3 == 0 {
                    // Unavailable if a renewal that began later has taken its place.
                    let extended = guard.extend(60 * SECOND).await;
                    assert!(!matches!(extended, Err(redlocks::Error::Lost { .. })), "{extended:?}");
                }
                if round % 7 == 0 {
                    // Long enough to be renewed some times, on any machine.
                    sleep(10 * MS).await;
                }
                assert!(guard.is_valid() && guard.check().is_ok());
                match round % 4 {
                    0 => drop(guard),
                    1 => thread::spawn(move || drop(guard)).join().unwrap(),
                    2 => assert!(guard.release().await.is_released()),
                    _ => {
                        let adopted = redlock.adopt(&guard.into_lease()).await.unwrap();
                        assert!(adopted.release().await.is_released());
                    }
                }
                assert_eq!(loss.reason(), None);
                if let Some(told) = told {
                    assert_eq!(told.await.unwrap(), None);
                }
            }
        }));
    }
    for holder in holders {
        holder.await.unwrap();
    }
    redlock.settled().await;
    assert_eq!(nodes.count_keys(), 0);
    let extended = nodes.memory(0).calls().extend;
    // 1400 are those of the holders and of who adopts.
    assert!(extended > 2400, "{extended} extensions are no race");
    sleep(50 * MS).await;
    assert_eq!(nodes.memory(0).calls().extend, extended, "renewed after the release");
    drop(redlock);
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    while alive() > before {
        sleep(MS).await;
    }
}

/// Its renewal was under way when the runtime ended.
#[test]
fn a_lock_that_moves_to_another_runtime_is_kept_there() {
    let new_runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (new_runtime(), new_runtime());
    let (nodes, redlock, guard) = first.block_on(async {
        let nodes = Nodes::new(3);
        let builder = nodes.builder().ttl(3 * SECOND).node_timeout(SECOND);
        let redlock = builder.renewal(Renewal::every(50 * MS)).build().unwrap();
        let guard = redlock.lock("moved").acquire().await.unwrap();
        (0..3).for_each(|node| nodes.memory(node).hang());
        sleep(200 * MS).await;
        (nodes, redlock, guard)
    });
    drop(first);
    second.block_on(async {
        (0..3).for_each(|node| nodes.memory(node).resume());
        let other = redlock.lock("other").acquire().await.unwrap();
        sleep(4 * SECOND).await;
        assert!(other.is_valid());
        assert!(guard.is_valid(), "nobody has renewed it");
    });
}

/// Nodes take their time, and far more renewals are due than are begun at once.
#[tokio::test(start_paused = true)]
async fn the_lock_that_would_be_lost_first_is_renewed_first() {
    let nodes = Nodes::new(3);
    let redlock = renewed(&nodes);
    let mut patient = Vec::new();
    for number in 0..4000 {
        let lock = redlock.lock(format!("patient{number}")).ttl(60 * SECOND);
        patient.push(lock.renewal(Renewal::every(SECOND / 4)).acquire().await.unwrap());
    }
    let urgent = redlock.lock("urgent").acquire().await.unwrap();
    for node in &nodes.0 {
        node.script(Operation::Extend, vec![Fault::DelayReply(45 * MS); 10_000]);
    }
    sleep(2 * SECOND).await;
    assert!(urgent.is_valid(), "it waited behind those that had time");
    assert!(patient.iter().all(Guard::is_valid));
}
