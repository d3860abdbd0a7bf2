//! Sentinels and clusters of real servers, as tests get them.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use redlock_testkit::server::{Cluster, Options, Sentinel};

#[test]
fn sentinels_promote_a_replica_of_a_dead_master() {
    let mut deployment = Sentinel::start(1, 3).unwrap();
    let before = deployment.master().unwrap().port();
    let promoted = deployment.fail_over().unwrap();
    assert_ne!(promoted.port(), before);
    promoted.cmd::<()>(&["SET", "key", "value"]).unwrap();
}

#[test]
fn a_master_and_its_replica_change_places_while_both_are_well() {
    let deployment = Sentinel::start(1, 3).unwrap();
    let before = deployment.master().unwrap();
    deployment.switch().unwrap();
    let promoted = deployment.wait_for_promotion(before.port()).unwrap();
    promoted.cmd::<()>(&["SET", "key", "value"]).unwrap();
}

#[test]
fn sentinels_promote_a_replica_of_a_hung_master_and_make_it_follow_when_it_is_back() {
    let (secret, other) = (Options::new().password("p"), Options::new().password("q"));
    let deployment = Sentinel::with(1, 3, &secret, &other).unwrap();
    let before = deployment.master().unwrap();
    before.stop();
    deployment.wait_for_promotion(before.port()).unwrap();
    before.cont();
    let info = before.cmd::<String>(&["INFO", "replication"]).unwrap();
    assert!(info.contains("role:"), "{info}");
}

#[test]
fn a_cluster_has_all_slots_and_moves_them_with_their_keys() {
    let cluster = Cluster::start().unwrap();
    let slot = cluster.slot("key").unwrap();
    let owner = cluster.owner(slot).unwrap();
    cluster[owner].cmd::<()>(&["SET", "key", "value"]).unwrap();
    let target = (owner + 1) % cluster.len();
    cluster.move_slot(slot, target).unwrap();
    assert_eq!(cluster.owner(slot).unwrap(), target);
    assert_eq!(cluster[target].cmd::<String>(&["GET", "key"]).unwrap(), "value");
    cluster.wait_until_ok().unwrap();
}

#[test]
fn a_new_server_takes_the_place_of_a_master_with_its_keys() {
    let cluster = Cluster::start().unwrap();
    let owner = cluster.owner(cluster.slot("key").unwrap()).unwrap();
    cluster[owner].cmd::<()>(&["SET", "key", "value"]).unwrap();
    let new = cluster.replace(owner).unwrap();
    assert_eq!(new.cmd::<String>(&["GET", "key"]).unwrap(), "value");
    let moved = cluster[owner].cmd::<String>(&["GET", "key"]).unwrap_err().to_string();
    assert!(moved.ends_with(&format!(":{}", new.port())), "{moved}");
}

#[test]
fn without_sentinels_or_masters_there_is_nothing_to_start() {
    for error in
        [Sentinel::start(1, 0).unwrap_err(), Cluster::with(0, &Options::new()).unwrap_err()]
    {
        assert!(error.to_string().contains(" needs a "), "{error}");
    }
}

#[test]
fn sentinels_log_in_with_a_password_of_any_text() {
    let options = Options::new().password("a \"b\" \\ #é");
    let deployment = Sentinel::with(1, 1, &options, &Options::new()).unwrap();
    assert!(deployment.master().is_ok());
}
