//! Servers that restart empty while locks are held.

use std::{sync::Arc, time::Duration};

use redlock_testkit::server::{Server, Servers};
use redlocks::{FailureKind, LockNode, Redlock, Renewal, RestartPolicy, Ttl, redis_rs::RedisNode};

use crate::support::MS;

const TTL: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;

fn node(url: &str, policy: RestartPolicy) -> RedisNode {
    RedisNode::open(url).unwrap().restart_policy(policy)
}

fn over(urls: [String; 3], policy: RestartPolicy) -> Redlock {
    let nodes = urls.map(|url| Arc::new(node(&url, policy)) as Arc<dyn LockNode>);
    let builder = nodes.into_iter().fold(Redlock::builder(), redlocks::RedlockBuilder::shared_node);
    builder.ttl(TTL).renewal(Renewal::off()).node_timeout(300 * MS).build().unwrap()
}

/// Until all these servers vote.
async fn settled(servers: &[Server], policy: RestartPolicy) {
    for server in servers {
        let node = node(&server.url(), policy);
        while let Err(error) = node.check().await {
            let kinds = [FailureKind::Quarantined, FailureKind::Unreachable, FailureKind::Closed];
            assert!(kinds.contains(&error.kind()), "{error}");
            tokio::time::sleep(error.quarantine().unwrap_or(20 * MS)).await;
        }
    }
}

/// How often two had a lock at the same time, and how often a server said that it is in quarantine,
/// when one of two that vote for a holder is killed and restarted empty.
async fn overlaps(policy: RestartPolicy) -> (u32, u32) {
    let mut servers = Servers::start(3).unwrap();
    let [first, second, third] = [0, 1, 2].map(|place: usize| servers[place].url());
    // The first server cannot be reached by the first of the two.
    let one = over(["redis://127.0.0.1:1".to_owned(), second.clone(), third.clone()], policy);
    let other = over([first, second, third], policy);
    let (mut overlaps, mut quarantines) = (0, 0);
    for round in 0..ROUNDS {
        settled(&servers, policy).await;
        let lock = |redlock: &Redlock| redlock.lock(format!("r{round}"));
        let held = lock(&one).acquire_within(TTL).await.unwrap();
        let forgetful = 1 + round % 2;
        servers[forgetful].kill();
        tokio::task::block_in_place(|| servers[forgetful].restart()).unwrap();
        // The first answers may tell that the connection has ended.
        while held.is_valid() {
            match lock(&other).try_acquire().await {
                Ok(both) => {
                    overlaps += u32::from(held.is_valid() && both.is_valid());
                    both.release().await;
                    break;
                }
                Err(error) => {
                    quarantines += u32::from(error.to_string().contains("quarantine"));
                    tokio::time::sleep(20 * MS).await;
                }
            }
        }
        held.release().await;
    }
    (overlaps, quarantines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_empty_gives_a_held_lock_away_only_if_it_is_trusted() {
    let max_ttl = Ttl::new(TTL).unwrap();
    let (trusted, _) = overlaps(RestartPolicy::Trust).await;
    let (quarantined, told) = overlaps(RestartPolicy::Quarantine { max_ttl }).await;
    println!(
        "of {ROUNDS} restarts, two holders at once: trusted {trusted}, in quarantine {quarantined} \
         ({told} refusals that say so)"
    );
    assert!(trusted > 0, "the scenario shows nothing");
    assert_eq!(quarantined, 0);
    assert!(told > 0, "no server was in quarantine");
}
