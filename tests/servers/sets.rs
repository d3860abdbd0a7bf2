//! Sets that overlap, and their resources alone, wanted by many tasks at once on real servers.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redlock_testkit::server::Servers;
use redlocks::{ConfigError, Error, Redlock, RestartPolicy, Ttl, redis_rs::RedisNode};
use tokio::task::JoinSet;

use crate::support::{count_keys, redlock};

/// What the resources protect: one number each, which is read, and written back one larger a moment
/// later.
type Counters = [AtomicU64; NAMES.len()];

/// What a task has seen.
struct Seen {
    wanted: &'static [usize],
    acquired: u64,
    longest: Duration,
}

async fn work(
    task: usize,
    redlock: Redlock,
    counters: Arc<Counters>,
    enough: Arc<AtomicBool>,
) -> Seen {
    let wanted = WANTED[task % WANTED.len()];
    let mut seen = Seen { wanted, acquired: 0, longest: Duration::ZERO };
    // Numbers that follow from the task: which order is named is all that they decide.
    let mut random = task as u64;
    while !enough.load(Ordering::Relaxed) || seen.acquired == 0 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let turn = (random >> 33) as usize % wanted.len();
        let names = wanted[turn..].iter().chain(&wanted[..turn]).map(|place| NAMES[*place]);
        let begun = Instant::now();
        let guard = match redlock.lock_all(names).acquire_within(PATIENCE).await {
            Ok(guard) => guard,
            Err(error) => panic!("task {task}: {error}"),
        };
        seen.longest = seen.longest.max(begun.elapsed());
        let read: Vec<_> =
            wanted.iter().map(|place| counters[*place].load(Ordering::SeqCst)).collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        for (place, count) in wanted.iter().zip(read) {
            counters[*place].store(count + 1, Ordering::SeqCst);
        }
        assert!(guard.is_valid(), "held too long for the test to show anything");
        seen.acquired += 1;
        // On a busy machine a quorum may be late to tell; that all is released shows at the end.
        guard.release().await;
    }
    seen
}

/// `SETS_SECS` says for how long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_sets_and_single_locks_neither_block_nor_overlap_each_other() {
    let seconds = env::var("SETS_SECS").map_or(2, |seconds| seconds.parse().unwrap());
    let servers = Servers::start(3).unwrap();
    // Two, as in two processes: those of one have queues in common, those of two only the nodes.
    let redlocks = [redlock(&servers), redlock(&servers)];
    let (counters, enough) = (Arc::<Counters>::default(), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let redlock = redlocks[task / WANTED.len() % 2].clone();
        tasks.spawn(work(task, redlock, Arc::clone(&counters), Arc::clone(&enough)));
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    enough.store(true, Ordering::Relaxed);
    let mut expected = [0; NAMES.len()];
    let mut table: BTreeMap<&[usize], (u64, Duration)> = BTreeMap::new();
    while let Some(seen) = tasks.join_next().await {
        let Seen { wanted, acquired, longest } = seen.unwrap();
        wanted.iter().for_each(|place| expected[*place] += acquired);
        let row = table.entry(wanted).or_default();
        *row = (row.0 + acquired, row.1.max(longest));
    }
    for (wanted, (acquired, longest)) in &table {
        let names: Vec<_> = wanted.iter().map(|place| NAMES[*place]).collect();
        println!("{names:?}: {acquired} acquired, longest wait {longest:?}");
    }
    for redlock in &redlocks {
        redlock.settled().await;
    }
    assert_eq!(count_keys(&servers), 0, "keys are left");
    let counted: Vec<_> = counters.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(counted, expected, "two had one resource at once");
}

/// Its script takes one resource. No server is asked, for there is none.
#[tokio::test]
async fn a_node_with_a_quarantine_takes_no_sets_and_says_so_at_once() {
    let policy = RestartPolicy::Quarantine { max_ttl: Ttl::new(PATIENCE).unwrap() };
    let node = RedisNode::open("redis://127.0.0.1:1").unwrap().labelled("careful");
    let redlock = Redlock::builder().node(node.restart_policy(policy)).build().unwrap();
    let error = redlock.lock_all(["a", "b"]).acquire().await.unwrap_err();
    let expected = ConfigError::NoSets { label: "careful".into() };
    assert!(matches!(&error, Error::Config(told) if *told == expected), "{error}");
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Two sets that overlap, and all that is in them alone.
const WANTED: [&[usize]; 5] = [&[0, 1], &[1, 2], &[0], &[1], &[2]];

const TASKS: usize = 16;

/// Who waits for longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);
