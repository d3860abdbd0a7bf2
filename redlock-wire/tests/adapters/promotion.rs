//! Replicas that are promoted without what the master had granted: each adapter takes this into its
//! test of sentinels, which says what its `node` is.

use std::time::{Duration, Instant};

use redlock_core::{FailureKind, LockNode, RestartPolicy, Vote};
use redlock_testkit::server::{Sentinel, Server};
use tokio::task::spawn_blocking;

use super::node;
use crate::common::{PATIENCE, exists, resource, token, ttl, until};

/// Of two locks that the replica does not have when its master dies, a trusting node gives the one to
/// somebody else at once. A node with a quarantine does not give the other before it has ended.
#[tokio::test]
async fn a_promoted_replica_does_not_vote_before_what_it_has_never_heard_of_has_ended() {
    let deployment = spawn_blocking(|| Sentinel::start(1, 3).unwrap()).await.unwrap();
    let max_ttl = ttl(3_000);
    let policy = RestartPolicy::Quarantine { max_ttl };
    let (trusting, wary) = (node(&deployment), node(&deployment).restart_policy(policy));
    until(PATIENCE, async || wary.check().await.is_ok()).await;

    let [given, kept] = ["given", "kept"].map(resource);
    let (mine, theirs) = (token("mine"), token("theirs"));
    let taken = Instant::now();
    for (node, name) in [(&trusting, &given), (&wary, &kept)] {
        assert_eq!(node.acquire(name, &mine, max_ttl).await.unwrap(), Vote::granted());
    }
    let deployment = spawn_blocking(move || {
        let mut deployment = deployment;
        lose(&deployment.servers()[1], &["given", "kept"]);
        deployment.fail_over().unwrap();
        deployment
    });
    let mut deployment = deployment.await.unwrap();
    assert!(deployment.servers()[1].port() == deployment.master().unwrap().port());

    let granted = async || {
        matches!(trusting.acquire(&given, &theirs, max_ttl).await, Ok(Vote::Granted { .. }))
    };
    until(PATIENCE, granted).await;
    let mut quarantined = 0;
    loop {
        match wary.acquire(&kept, &theirs, max_ttl).await {
            Ok(vote) => {
                assert_eq!(vote, Vote::granted());
                break;
            }
            Err(error) if error.kind() == FailureKind::Quarantined => {
                quarantined += 1;
            }
            // It has yet to find the new master.
            Err(_) => {}
        }
        assert!(taken.elapsed() < 3 * PATIENCE, "it never votes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = taken.elapsed();
    assert!(took >= max_ttl.get(), "granted again after {took:?}");
    assert!(quarantined > 0, "it was told so");
}

/// Has a replica not have these keys, as if the connection to its master had ended before they came.
fn lose(replica: &Server, keys: &[&str]) {
    replica.cmd::<()>(&["CONFIG", "SET", "replica-read-only", "no"]).unwrap();
    for key in keys {
        let since = Instant::now();
        while !exists(replica, key) {
            assert!(since.elapsed() < PATIENCE, "{key} never came");
            std::thread::sleep(Duration::from_millis(5));
        }
        replica.cmd::<u64>(&["DEL", key]).unwrap();
    }
}
