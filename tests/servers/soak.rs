//! Many tasks over a few resources, while servers are stopped, killed and restarted in turn.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redlock_testkit::server::{Options, Server, Servers};
use redlocks::Redlock;
use tokio::{runtime::Handle, task::JoinSet};

use crate::support::{CONNECTIONS, MS, count_keys, five, redlock};

/// What the tasks share beside the locks.
#[derive(Default)]
struct Shared {
    inside: [AtomicU32; RESOURCES],
    acquired: AtomicU64,
    enough: AtomicBool,
}

impl Shared {
    fn acquired(&self) -> u64 {
        self.acquired.load(Ordering::Relaxed)
    }
}

/// What a task has seen.
#[derive(Default)]
struct Seen {
    given_up: u64,
    longest: Duration,
    overlaps: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.given_up += other.given_up;
        self.overlaps += other.overlaps;
        self.longest = self.longest.max(other.longest);
    }
}

async fn work(task: usize, redlock: Redlock, shared: Arc<Shared>) -> Seen {
    let mut seen = Seen::default();
    let mut round = task;
    while !shared.enough.load(Ordering::Relaxed) {
        round += 1;
        let lock = redlock.lock(format!("soak:{}", round % RESOURCES));
        let start = Instant::now();
        let outcome = lock.acquire_within(PATIENCE).await;
        seen.longest = seen.longest.max(start.elapsed());
        let Ok(guard) = outcome else {
            seen.given_up += 1;
            continue;
        };
        shared.acquired.fetch_add(1, Ordering::Relaxed);
        let inside = &shared.inside[round % RESOURCES];
        let others = inside.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(MS).await;
        // Who finds its lock ended is not protected by it, and may know so.
        seen.overlaps += u64::from(others > 0 && guard.is_valid());
        inside.fetch_sub(1, Ordering::SeqCst);
        guard.release().await;
    }
    seen
}

/// One server hangs and another one is dead, never more, and each comes back before the next goes.
async fn trouble(servers: &mut Servers, lasts: impl Fn() -> bool) -> u32 {
    let mut rounds = 0;
    while lasts() {
        let (stopped, killed) = (rounds as usize % 5, (rounds as usize + 2) % 5);
        servers[stopped].stop();
        servers[killed].kill();
        tokio::time::sleep(300 * MS).await;
        servers[stopped].cont();
        tokio::task::block_in_place(|| servers[killed].restart()).unwrap();
        tokio::time::sleep(200 * MS).await;
        rounds += 1;
    }
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tasks_outlive_servers_that_stop_and_die_in_turn() {
    let seconds = env::var("SOAK_SECS").map_or(12, |seconds| seconds.parse().unwrap());
    // With their data on disk, or they would forget locks that are held, and two could hold one.
    let mut servers = Servers::with(5, &Options::new().persistent()).unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();

    let redlock = redlock(&servers);
    let shared = Arc::new(Shared::default());
    let mut workers = JoinSet::new();
    for task in 0..TASKS {
        workers.spawn(work(task, redlock.clone(), Arc::clone(&shared)));
    }
    let start = Instant::now();
    // On a busy machine little is acquired in a few seconds; without some nothing is shown.
    let lasts = || {
        let so_far = start.elapsed().as_secs();
        so_far < seconds || (shared.acquired() <= LEAST && so_far < seconds + 60)
    };
    let rounds = trouble(&mut servers, lasts).await;
    shared.enough.store(true, Ordering::Relaxed);
    let lasted = start.elapsed();
    let mut all = Seen::default();
    for seen in workers.join_all().await {
        all.add(&seen);
    }
    let settling = Instant::now();
    redlock.settled().await;
    let settling = settling.elapsed();
    // Who listened has no reason to any more; his connection lasts a moment longer.
    let mut connections: Vec<_>;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let count = |server: &Server| server.connections().unwrap().len();
        connections = servers.iter().map(count).collect();
        if connections.iter().all(|count| *count <= CONNECTIONS) || Instant::now() > deadline {
            break;
        }
        tokio::time::sleep(50 * MS).await;
    }
    let keys = count_keys(&servers);
    drop(redlock);
    let deadline = Instant::now() + Duration::from_secs(10);
    while tasks() > before && Instant::now() < deadline {
        tokio::time::sleep(5 * MS).await;
    }
    let left = tasks() - before;
    println!(
        "{TASKS} tasks, {lasted:?}, {rounds} rounds of trouble: {} acquired, {} given up, longest \
         acquire {:?} of {PATIENCE:?}, settled in {settling:?}; left: {keys} keys, {left} tasks, \
         connections {connections:?}",
        shared.acquired(),
        all.given_up,
        all.longest
    );
    assert_eq!(all.overlaps, 0, "two at once");
    assert_eq!(keys, 0, "keys are left");
    assert_eq!(left, 0, "tasks are left");
    assert!(connections.iter().all(|count| *count <= CONNECTIONS), "{connections:?}");
    assert!(all.longest <= PATIENCE + PATIENCE / 10, "{:?}", all.longest);
    assert!(shared.acquired() > LEAST, "only {} acquired: nothing is shown", shared.acquired());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hung_under_load_has_no_orphan_when_it_goes_on() {
    let servers = five();
    let redlock = redlock(&servers);
    redlock.lock("warm").acquire().await.unwrap().release().await;
    servers[2].stop();
    let mut workers = JoinSet::new();
    for task in 0..50 {
        let redlock = redlock.clone();
        workers.spawn(async move {
            for round in 0..20 {
                let lock = redlock.lock(format!("r{task}:{round}"));
                lock.acquire().await.unwrap().release().await;
            }
        });
    }
    workers.join_all().await;
    servers[2].cont();
    redlock.settled().await;
    let calls = servers[2].calls("set").unwrap();
    println!("{calls} acquires reached the server that hung");
    assert!(calls > 1, "it was never asked: nothing is shown");
    assert_eq!(count_keys(&servers), 0);
}

const TASKS: usize = 200;
const RESOURCES: usize = 8;
/// How often somebody must have had a lock for the rest to mean something.
const LEAST: u64 = 500;
/// A tenth of it, which an acquire may take longer, is 200 ms: tens of turns of a scheduler with
/// 200 tasks on two loaded processors.
const PATIENCE: Duration = Duration::from_secs(2);
