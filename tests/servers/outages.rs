//! Servers that hang, die and come back under the lock.

use std::time::{Duration, Instant};

use futures::FutureExt;
use redlock_testkit::server::Server;
use redlocks::{ConfigError, Error, FailureKind, Redlock, ReleaseOutcome};

use crate::{
    fleet::over,
    support::{MS, count_keys, five, node, redlock},
};

/// The median time of an acquire and its release.
async fn pair(redlock: &Redlock) -> Duration {
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        let guard = redlock.lock("pair").acquire().await.unwrap();
        guard.release().await;
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hung_server_of_five_costs_nothing() {
    let servers = five();
    let redlock = redlock(&servers);
    pair(&redlock).await;
    let healthy = pair(&redlock).await;
    servers[4].stop();
    let hung = pair(&redlock).await;
    servers[4].cont();
    println!(
        "healthy {healthy:?}, one hung {hung:?}: {:.2}",
        hung.as_secs_f64() / healthy.as_secs_f64()
    );
    // The node timeout is 300 ms. A pair that waited for it would take all of that.
    assert!(hung < 30 * MS, "{hung:?}");
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn two_of_five_killed_and_it_works_three_and_every_reason_is_told() {
    let mut servers = five();
    let redlock = redlock(&servers);
    redlock.lock("r").acquire().await.unwrap().release().await;
    servers[1].kill();
    servers[3].kill();
    let mut guard = redlock.lock("r").acquire().await.unwrap();
    guard.extend(Duration::from_secs(20)).await.unwrap();
    assert_eq!(guard.release().await.outcome(), ReleaseOutcome::Released);

    servers[4].kill();
    // The first attempt finds out that a connection has ended; then the system refuses new ones.
    let refused = |error: &Error| error.to_string().matches("refused").count() == 3;
    let deadline = Instant::now() + Duration::from_secs(5);
    let (error, took) = loop {
        let start = Instant::now();
        let error = redlock.lock("r").try_acquire().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        if refused(&error) || start > deadline {
            break (error, start.elapsed());
        }
        tokio::time::sleep(10 * MS).await;
    };
    assert!(took < 250 * MS, "refused connections are known at once, not after {took:?}");
    let report = error.report().unwrap();
    for (node, server) in report.nodes().iter().zip(&*servers) {
        let dead = [1, 3, 4].map(|dead| servers[dead].port()).contains(&server.port());
        let told = node.error().map(redlocks::NodeError::kind);
        assert_eq!(told, dead.then_some(FailureKind::Unreachable), "{error}");
    }
    assert!(refused(&error), "{error}");

    servers[1].restart().unwrap();
    let guard = redlock.lock("r").acquire_within(Duration::from_secs(2)).await.unwrap();
    guard.release().await;
    servers[3].restart().unwrap();
    servers[4].restart().unwrap();
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn three_of_five_hung_and_it_says_so_within_the_node_timeout() {
    let servers = five();
    let redlock = redlock(&servers);
    redlock.lock("r").acquire().await.unwrap().release().await;
    for hung in [0, 2, 4] {
        servers[hung].stop();
    }
    let start = Instant::now();
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    let took = start.elapsed();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(error.to_string().matches("timed out after 300 ms").count(), 3, "{error}");
    // The node timeout for the attempt, and no more than that for its clean-up.
    assert!(took < 900 * MS, "{took:?}");
    for hung in [0, 2, 4] {
        servers[hung].cont();
    }
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn servers_that_have_become_replicas_do_not_vote_and_say_so() {
    let servers = five();
    let redlock = redlock(&servers);
    for replica in [0, 2, 3] {
        servers[replica].cmd::<()>(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    }
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(error.to_string().matches("it is a replica").count(), 3, "{error}");
    for kind in
        [0, 2, 3].map(|replica| error.report().unwrap().nodes()[replica].error().unwrap().kind())
    {
        assert_eq!(kind, FailureKind::Rejected);
    }
    for replica in [0, 2, 3] {
        servers[replica].cmd::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
    }
    // Each is asked again within a second.
    let acquired = redlock.lock("r").acquire_within(1_000 * MS).await;
    assert!(acquired.unwrap().release().await.is_released());
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn servers_that_were_down_when_the_program_started_come_in_later() {
    let mut servers = five();
    for down in [0, 1, 2] {
        servers[down].kill();
    }
    let redlock = redlock(&servers);
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    for back in [0, 1, 2] {
        servers[back].restart().unwrap();
    }
    let guard = redlock.lock("r").acquire_within(Duration::from_secs(2)).await.unwrap();
    assert!(guard.release().await.is_released());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_cancelled_at_any_time_leave_no_key() {
    let servers = five();
    let redlock = redlock(&servers);
    redlock.lock("warm").acquire().await.unwrap().release().await;
    for round in 0..400_u32 {
        let lock = redlock.lock(format!("r{round}"));
        let attempt = async {
            let mut guard = lock.acquire().await.unwrap();
            guard.extend(Duration::from_secs(20)).await.unwrap();
            guard.release().await;
        };
        // From before the first byte to after the last.
        tokio::select! {
            () = attempt => {}
            () = tokio::time::sleep(Duration::from_micros(u64::from(round) * 5)) => {}
        }
        // And one that is polled exactly once.
        let once = redlock.lock(format!("once{round}"));
        drop(once.acquire().now_or_never());
    }
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn one_server_behind_two_addresses_is_refused() {
    let server = Server::start().unwrap();
    let other = Server::start().unwrap();
    let urls = [
        format!("redis://127.0.0.1:{}", server.port()),
        format!("redis://localhost:{}", server.port()),
        other.url(),
    ];
    let redlock = over(urls, node);
    // As soon as both have connected, which the first attempt sees to.
    let error = loop {
        match redlock.lock("r").try_acquire().await {
            Err(Error::Config(error)) => break error,
            other => drop(other),
        }
    };
    assert!(matches!(error, ConfigError::SameServer { .. }), "{error}");
    redlock.settled().await;
    assert_eq!(count_keys(&[server, other]), 0);
}
