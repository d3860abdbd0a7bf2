//! Memory and work of locks that one process holds.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use redlocks::{Guard, Redlock, redis_rs::RedisNode};
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    Failure, Settings,
    clock::Instant,
    report::{Report, Table},
    session::runtime,
    usage::worked,
};

/// So many locks.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    locks: usize,
    acquired_in: Duration,
    /// What the client keeps for one, its guard included.
    bytes: f64,
    /// How long they were held for, from when all were.
    watched: Duration,
    /// The client's processor time meanwhile: each lock has been renewed once.
    work: Duration,
    lost: usize,
}

pub(super) fn measure(urls: &[String], settings: Settings) -> Result<Vec<Held>, Failure> {
    let (sizes, ttl): (&[usize], _) = match settings.quick {
        true => (&[100, 1_000], Duration::from_secs(3)),
        false => (&[1_000, 10_000, 100_000], Duration::from_secs(45)),
    };
    sizes.iter().map(|&locks| hold(urls, locks, ttl, settings)).collect()
}

fn hold(urls: &[String], locks: usize, ttl: Duration, settings: Settings) -> Result<Held, Failure> {
    let runtime = runtime(settings.threads)?;
    let nodes = RedisNode::open_all(urls)?;
    let redlock = {
        let _inside = runtime.enter();
        Redlock::builder().nodes(nodes).ttl(ttl).build()?
    };
    let acquire = async |number: usize| redlock.lock(format!("held {number}")).acquire().await;
    runtime.block_on(async {
        acquire(locks).await?.release().await;
        redlock.settled().await;
        Ok::<_, Failure>(())
    })?;

    let begun = Instant::now();
    let mut guards: Result<Vec<Guard>, Failure> = Ok(Vec::new());
    let info = allocation_counter::measure(|| {
        guards = runtime.block_on(async {
            let guards: Vec<_> =
                stream::iter(0..locks).map(acquire).buffered(AT_ONCE).try_collect().await?;
            // Stragglers' votes have come in by then.
            sleep(SETTLE).await;
            Ok(guards)
        });
    });
    let guards = guards?;
    let acquired_in = Instant::now().since(begun).saturating_sub(SETTLE);

    // Each is renewed when a third of its ttl has gone.
    let (before, watched) = (worked(), ttl / 3);
    runtime.block_on(async { sleep(watched).await });
    let work = worked().saturating_sub(before);
    let lost = guards.iter().filter(|guard| !guard.is_valid()).count();
    runtime.block_on(async {
        stream::iter(guards)
            .for_each_concurrent(AT_ONCE, async |guard| _ = guard.release().await)
            .await;
        redlock.settled().await;
    });
    Ok(Held {
        locks,
        acquired_in,
        bytes: info.bytes_current as f64 / locks as f64,
        watched,
        work,
        lost,
    })
}

pub(super) fn tell(all: &[Held], report: &mut Report) -> Result<(), Failure> {
    let mut table = Table::new(
        "Locks on three servers that one process holds and renews",
        [
            "locks",
            "acquired per second",
            "bytes for a lock",
            "renewals per second",
            "client CPU, of one core",
            "for a renewal, µs",
            "for a lock and second, µs",
            "lost",
        ],
    );
    for held in all {
        let (locks, watched) = (held.locks as f64, held.watched.as_secs_f64());
        let micros = held.work.as_secs_f64() * 1e6;
        table.row([
            held.locks.to_string(),
            format!("{:.0}", locks / held.acquired_in.as_secs_f64()),
            format!("{:.0}", held.bytes),
            format!("{:.0}", locks / watched),
            format!("{:.1} %", micros / watched / 1e4),
            format!("{:.1}", micros / locks),
            format!("{:.2}", micros / locks / watched),
            held.lost.to_string(),
        ]);
        if held.lost > 0 {
            report.fault(format!("{} of {} locks were lost", held.lost, held.locks));
        }
        report.figures(held)?;
    }
    report.table(table);
    Ok(())
}

/// So many acquires at a time.
const AT_ONCE: usize = 64;
const SETTLE: Duration = Duration::from_millis(100);
