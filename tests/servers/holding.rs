//! Locks that are held for long, on real servers: renewed, lost, and left behind by a dead process.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use redlock_testkit::server::{Server, Servers};
use redlocks::{Error, Guard, LossReason, Redlock};

use crate::{
    fleet::builder,
    support::{MS, count_keys, five, node},
};

fn redlock(servers: &[Server], ttl: Duration, grace: Duration) -> Redlock {
    builder(servers.iter().map(Server::url), node).ttl(ttl).grace(grace).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_servers_hang_every_holder_is_told_before_its_ttl_ends() {
    let servers = five();
    let ttl = 2_000 * MS;
    let redlock = redlock(&servers, ttl, Duration::ZERO);
    let mut guards = Vec::new();
    for number in 0..100 {
        guards.push(redlock.lock(format!("r{number}")).acquire().await.unwrap());
    }
    // Renewed at least once, so that what is told is the end of a renewed lock.
    tokio::time::sleep(ttl).await;
    assert!(guards.iter().all(Guard::is_valid));
    servers.iter().for_each(Server::stop);
    // What was promised last, by this program's clock.
    let told = guards.iter().map(|guard| async {
        let mut end = Instant::now();
        loop {
            // Of a lock that is lost nothing remains.
            end = end.max(Instant::now() + guard.remaining());
            tokio::select! {
                reason = guard.lost() => return (reason, end.checked_duration_since(Instant::now())),
                // An answer that was under way when the servers were stopped may still extend it.
                () = tokio::time::sleep(10 * MS) => {}
            }
        }
    });
    let told: Vec<_> = told.collect::<FuturesUnordered<_>>().collect().await;
    assert!(told.iter().all(|(reason, _)| *reason == LossReason::Expired));
    let on_time: Vec<Duration> = told.iter().filter_map(|(_, margin)| *margin).collect();
    let (least, most) = (on_time.iter().min(), on_time.iter().max());
    println!(
        "{} of {} told before the end of validity, by {least:?} to {most:?}; 22 ms later the ttl ends",
        on_time.len(),
        told.len()
    );
    assert_eq!(on_time.len(), 100);
    assert!(guards.iter().all(|guard| matches!(guard.check(), Err(Error::Lost { .. }))));
    drop(guards);
    servers.iter().for_each(Server::cont);
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_kept_for_as_long_as_a_minority_hangs() {
    let servers = Servers::start(3).unwrap();
    let redlock = redlock(&servers, 3_000 * MS, Duration::ZERO);
    let guard = redlock.lock("r").acquire().await.unwrap();
    servers[1].stop();
    let seconds = env::var("HOLD_SECS").map_or(12, |seconds| seconds.parse().unwrap());
    let kept = tokio::time::timeout(Duration::from_secs(seconds), guard.lost()).await;
    assert!(kept.is_err(), "lost: {kept:?}");
    assert!(guard.remaining() > 1_500 * MS);
    println!("kept for {seconds} s with a ttl of 3 s and one server of three hung");
    servers[1].cont();
    assert!(guard.release().await.is_released());
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_locks_are_kept_by_one_process() {
    let servers = five();
    let locks = env::var("HOLD_LOCKS").map_or(1_000, |locks| locks.parse().unwrap());
    let seconds = env::var("HOLD_SECS").map_or(12, |seconds| seconds.parse().unwrap());
    let redlock = redlock(&servers, 10_000 * MS, Duration::ZERO);
    let warm = redlock.lock("warm").acquire().await.unwrap();
    let memory = status("VmRSS");
    let mut guards = Vec::with_capacity(locks);
    for number in 0..locks {
        guards.push(redlock.lock(format!("r{number}")).acquire().await.unwrap());
    }
    // Of the whole process, in which other tests may have given some back meanwhile.
    let memory = status("VmRSS").saturating_sub(memory);
    let (start, before) = (Instant::now(), processor_time());
    let renewed = || servers[0].calls("evalsha").unwrap();
    let renewals = renewed();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (held, used) = (start.elapsed(), processor_time() - before);
    let renewals = renewed() - renewals;
    let lost = guards.iter().filter(|guard| !guard.is_valid()).count();
    println!(
        "{locks} locks held for {held:?}: {lost} lost, {renewals} renewals on one server; \
         {:.1} µs of processor a lock and second, {:.2} KiB a lock",
        used.as_secs_f64() * 1e6 / locks as f64 / held.as_secs_f64(),
        memory as f64 / locks as f64,
    );
    assert_eq!(lost, 0);
    assert!(renewals >= locks as u64, "nothing is shown");
    drop((guards, warm));
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_a_killed_process_is_free_after_ttl_and_grace() {
    let (ttl, grace) = (1_500 * MS, 500 * MS);
    if let Ok(urls) = env::var(HOLDER) {
        // This is the process that is going to be killed.
        let urls = urls.split(' ').map(ToOwned::to_owned);
        let redlock = builder(urls, node).ttl(ttl).grace(grace).build().unwrap();
        let _guard = redlock.lock("r").acquire().await.unwrap();
        println!("\n{HOLDER}");
        std::future::pending().await
    }
    let servers = Servers::start(3).unwrap();
    let name = "holding::the_lock_of_a_killed_process_is_free_after_ttl_and_grace";
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(HOLDER, servers.urls().join(" "))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == HOLDER), "the holder has ended");
    // Held through renewals, the last of which nobody knows; what counts is what nodes keep then.
    tokio::time::sleep(ttl).await;
    holder.kill().unwrap();
    holder.wait().unwrap();
    let killed = Instant::now();
    let mut left: Vec<i64> =
        servers.iter().map(|server| server.cmd(&["PTTL", "r"]).unwrap()).collect();
    left.sort_unstable();
    // With two of three a quorum is free.
    let left = Duration::from_millis(left[1].try_into().unwrap());
    assert!(left <= ttl + grace && left > grace);
    let redlock = redlock(&servers, ttl, grace);
    let guard = loop {
        if let Ok(guard) = redlock.lock("r").try_acquire().await {
            break guard;
        }
        tokio::time::sleep(MS).await;
    };
    let free = killed.elapsed();
    println!("free {:?} after the kill, when nodes kept it for {left:?}", free);
    assert!(free >= left.saturating_sub(MS), "before nodes had forgotten it");
    assert!(free <= left + (ttl + grace) / 20, "more than 5 % late");
    guard.release().await;
}

/// A line of what the system tells of this process, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The processor time that this process has used, to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // After the name, which may have anything in it: the state is field 3, the times are 14 and 15.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

const HOLDER: &str = "REDLOCKS_TEST_HOLDER";
