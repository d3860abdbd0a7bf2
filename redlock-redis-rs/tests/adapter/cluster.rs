//! What is this adapter's own of a cluster of three masters as one node.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, future::join_all};
use redlock_core::{
    Age, Cache, Cached, Delivery, FailureKind, Fence, Fencing, Freshness, Inspection, LockNode,
    Redlock, RestartPolicy, Survey, Vote,
};
use redlock_redis_rs::{Durability, RedisCache, RedisNode};
use redlock_testkit::server::{Cluster, Options, Server};
use tokio::time::timeout;

use crate::{
    common::{PATIENCE, RETURN, exists, resource, token, ttl, until},
    every_adapter::cluster::patient,
};

fn node(cluster: &Cluster) -> RedisNode {
    RedisNode::cluster(cluster.urls()).unwrap()
}

/// A cluster whose masters go on without each other.
fn partial() -> Cluster {
    let options = Options::new().args(["--cluster-require-full-coverage", "no"]);
    Cluster::with(3, &options).unwrap()
}

/// A name that is free on the master at this place.
fn name_on(cluster: &Cluster, place: usize) -> String {
    let names = (0..).map(|n| format!("name-{n}"));
    let mut there =
        names.filter(|name| cluster.owner(cluster.slot(name).unwrap()).unwrap() == place);
    there.next().unwrap()
}

async fn votes_on(node: &RedisNode, name: &str) -> bool {
    let (name, mine) = (resource(name), token("probe"));
    let granted = matches!(node.acquire(&name, &mine, ttl(60_000)).await, Ok(Vote::Granted { .. }));
    granted && node.release(&name, &mine).await.is_ok()
}

#[tokio::test]
async fn holders_are_counted_in_all_parts_of_the_cluster() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let mine = token("mine");
    for name in (0..3).map(|place| name_on(&cluster, place)) {
        for name in [name.clone(), format!("{{{name}}}:more"), format!("{name}}}")] {
            let name = resource(&name);
            let mut counts = Vec::new();
            for _ in 0..2 {
                let vote = node.acquire_counted(&name, &mine, ttl(60_000), Fence::default()).await;
                let Vote::Granted { counter, .. } = vote.unwrap() else { panic!("{name}") };
                counts.push(counter.unwrap().get());
                let raised = node.raise(&name, &mine, counter.unwrap()).await.unwrap();
                assert_eq!(raised, Vote::counted(counter.unwrap()));
                assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
            }
            assert_eq!(counts[1], counts[0] + 1);
        }
    }
}

#[tokio::test]
async fn what_a_cluster_cannot_promise_is_refused() {
    let cluster = Cluster::start().unwrap();
    let quarantine = RestartPolicy::Quarantine { max_ttl: ttl(60_000) };
    let durability = Durability::replicated(1, Duration::from_millis(100));
    let nodes = [node(&cluster).restart_policy(quarantine), node(&cluster).durable(durability)];
    for node in nodes {
        let (name, mine) = (resource("r"), token("mine"));
        for error in [
            node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err(),
            node.acquire_counted(&name, &mine, ttl(1_000), Fence::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), FailureKind::Unsupported);
            assert_eq!(error.delivery(), Delivery::NotSent);
        }
    }
    assert!(node(&cluster).restart_policy(quarantine).check().await.is_err());
}

#[tokio::test]
async fn a_cluster_is_reset() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let mine = token("mine");
    for name in (0..3).map(|place| resource(&name_on(&cluster, place))) {
        node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
        assert_eq!(node.reset(&name).await.unwrap().as_ref(), Some(&mine));
        assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
    }
}

#[tokio::test]
async fn with_a_key_prefix_all_keys_of_a_resource_share_a_slot() {
    let cluster = Cluster::start().unwrap();
    for prefix in ["app:", "{app}:", "a}"] {
        let builder = Redlock::builder().node(node(&cluster)).fencing(true).key_prefix(prefix);
        let redlock = builder.node_timeout(Duration::from_secs(5)).ttl(Duration::from_secs(60));
        let redlock = redlock.build().unwrap();
        for name in ["r", "{r}", "a{r}b", "a}b", "{", "{}", "}{"] {
            let guard = redlock.lock(name).acquire().await.unwrap();
            assert!(guard.fencing_token().is_some(), "{prefix} {name}");
            assert!(redlock.is_locked(name).await.unwrap());
            assert!(guard.release().await.is_released());
        }
    }
}

#[tokio::test]
async fn resources_in_all_parts_of_the_cluster_are_locked_by_the_same_rules() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    assert_eq!(node.label(), format!("cluster:127.0.0.1:{}/0", cluster[0].port()));
    let (mine, theirs) = (token("mine"), token("theirs"));
    let mut masters = HashSet::new();
    for n in 0..200 {
        let name = format!("resource-{n}");
        masters.insert(cluster.owner(cluster.slot(&name).unwrap()).unwrap());
        let name = resource(&name);
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        for refused in [
            node.acquire(&name, &theirs, ttl(60_000)).await.unwrap(),
            node.extend(&name, &theirs, ttl(60_000)).await.unwrap(),
            node.release(&name, &theirs).await.unwrap(),
        ] {
            assert!(matches!(refused, Vote::Refused(_)), "{refused:?}");
        }
        assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
        assert!(matches!(node.inspect(&name).await.unwrap(), Inspection::Held { .. }));
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
    }
    assert_eq!(masters.len(), 3);
    // The scripts were there beforehand, on each of them.
    assert_eq!(cluster.iter().map(|server| server.calls("eval").unwrap()).sum::<u64>(), 0);
    assert_eq!(node.identity(), None);
}

#[tokio::test]
async fn a_moved_slot_costs_one_refusal_without_effect_and_then_votes_where_it_is() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let (name, mine) = (resource("moving"), token("mine"));
    node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
    let slot = cluster.slot("moving").unwrap();
    let target = (cluster.owner(slot).unwrap() + 1) % 3;
    cluster.move_slot(slot, target).unwrap();

    let error = node.extend(&name, &mine, ttl(90_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), Delivery::Refused, "{error}");
    assert!(error.to_string().contains("MOVED"), "{error}");
    // What was refused for the old place has taught the new one.
    let again = async || node.extend(&name, &mine, ttl(90_000)).await.is_ok();
    until(RETURN, &again).await;
    let vote = node.acquire(&name, &token("theirs"), ttl(1_000)).await.unwrap();
    assert!(matches!(vote, Vote::Refused(_)), "{vote:?}");
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    assert!(!exists(&cluster[target], "moving"));
}

#[tokio::test]
async fn while_a_slot_is_moving_a_held_lock_votes_and_a_free_one_is_refused_without_effect() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    // One slot, by the tag that is in braces.
    let (held, free, mine) = (resource("{slot}held"), resource("{slot}free"), token("mine"));
    node.acquire(&held, &mine, ttl(60_000)).await.unwrap();
    let slot = cluster.slot("{slot}").unwrap();
    let target = (cluster.owner(slot).unwrap() + 1) % 3;
    cluster.begin_move(slot, target).unwrap();

    assert_eq!(node.extend(&held, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
    let error = node.acquire(&free, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Refused, "{error}");
    assert!(error.to_string().contains("ASK"), "{error}");
    cluster.finish_move(slot, target).unwrap();
    until(RETURN, async || node.acquire(&free, &mine, ttl(60_000)).await.is_ok()).await;
    assert_eq!(node.release(&held, &mine).await.unwrap(), Vote::granted());
}

#[tokio::test]
async fn a_dead_master_costs_its_own_resources_and_votes_within_a_second_of_its_return() {
    let mut cluster = partial();
    let node = node(&cluster);
    let (lost, kept) = (name_on(&cluster, 0), name_on(&cluster, 1));
    assert!(votes_on(&node, &lost).await && votes_on(&node, &kept).await);
    cluster[0].kill();
    let (name, mine) = (resource(&lost), token("mine"));
    let error = node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed, "{error}");
    for _ in 0..50 {
        assert!(!votes_on(&node, &lost).await);
    }
    until(RETURN, || votes_on(&node, &kept)).await;
    cluster[0].restart().unwrap();
    // It waits for two seconds before it calls itself a part of the cluster again.
    cluster.wait_until_ok().unwrap();
    until(RETURN, || votes_on(&node, &lost)).await;
}

#[tokio::test]
async fn a_hung_master_is_late_for_its_own_resources_and_for_no_others_and_nothing_is_sent_twice() {
    let cluster = partial();
    let node = node(&cluster).response_timeout(Duration::from_millis(100));
    let (lost, kept) = (name_on(&cluster, 0), name_on(&cluster, 1));
    assert!(votes_on(&node, &lost).await && votes_on(&node, &kept).await);
    let before = cluster[0].calls("set").unwrap();
    cluster[0].stop();
    let (name, mine) = (resource(&lost), token("mine"));
    let late = node.acquire(&name, &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    assert_eq!(late.delivery(), Delivery::Unknown);
    let late = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::TimedOut, "{late}");
    assert!(votes_on(&node, &kept).await);
    cluster[0].cont();
    until(PATIENCE, async || node.inspect(&name).await.is_ok()).await;
    assert!(!exists(&cluster[0], &lost), "the release was carried out before its acquire");
    assert_eq!(cluster[0].calls("set").unwrap(), before + 1, "a command was sent twice");
}

#[tokio::test]
async fn a_node_finds_the_cluster_by_any_server_that_is_left() {
    let mut cluster = partial();
    let kept = name_on(&cluster, 1);
    cluster[0].kill();
    let node = node(&cluster);
    until(PATIENCE, || votes_on(&node, &kept)).await;
    cluster[2].stop();
    let node = RedisNode::cluster(cluster.urls()).unwrap();
    until(PATIENCE, || votes_on(&node, &kept)).await;
}

#[tokio::test]
async fn a_master_that_may_evict_locks_has_the_cluster_refused() {
    let cluster = Cluster::start().unwrap();
    for setting in [["maxmemory", "100mb"], ["maxmemory-policy", "allkeys-lru"]] {
        cluster[2].cmd::<()>(&["CONFIG", "SET", setting[0], setting[1]]).unwrap();
    }
    let (name, mine) = (resource("r"), token("mine"));
    let error = node(&cluster).acquire(&name, &mine, ttl(1_000)).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("maxmemory-policy is allkeys-lru"), "{error}");
    assert!(votes_on(&node(&cluster).allow_eviction(), "r").await);
}

#[tokio::test]
async fn a_release_on_any_master_is_heard_wherever_somebody_listens() {
    let cluster = patient();
    // Each listens to one server: the first that answers.
    let (holder, waiters) = (node(&cluster), [0, 1, 2].map(|_| node(&cluster)));
    let mut names: Vec<_> = (0..3).map(|place| name_on(&cluster, place)).collect();
    names.extend(["{a}b", "a}b{", "{}"].map(String::from));
    for name in names {
        let (name, mine) = (resource(&name), token("mine"));
        let subscribe = |node: &'_ RedisNode| {
            let (node, name) = (node.clone(), name.clone());
            async move { node.notifications().unwrap().subscribe(&name).await.unwrap() }
        };
        let mut all = join_all(waiters.iter().map(subscribe)).await;
        holder.acquire(&name, &mine, ttl(60_000)).await.unwrap();
        let notifications = holder.notifications().unwrap();
        let told = notifications.release_and_notify(&name, &mine).await.unwrap();
        assert_eq!(told.vote, Vote::granted());
        for notices in &mut all {
            let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
            assert_eq!(notice.holder, Some(mine.fingerprint()), "{name}");
        }
        notifications.notify(&name).await.unwrap();
        for notices in &mut all {
            let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
            assert_eq!(notice.holder, None, "{name}");
        }
    }
}

#[tokio::test]
async fn when_the_server_that_is_listened_to_dies_another_is() {
    let mut cluster = partial();
    let node = node(&cluster);
    let name = resource(&name_on(&cluster, 2));
    let notifications = node.notifications().unwrap();
    let mut notices = notifications.subscribe(&name).await.unwrap();
    let listens = |place: usize| {
        let clients: String = cluster[place].cmd(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
        !clients.is_empty()
    };
    let place = (0..3).find(|place| listens(*place)).unwrap();
    cluster[place].kill();
    assert_eq!(timeout(PATIENCE, notices.next()).await.unwrap(), None);
    until(RETURN, || async { notifications.subscribe(&name).await.is_ok() }).await;
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_refused_and_urls_that_cannot_be_one_at_once() {
    let server = Server::start().unwrap();
    let node = RedisNode::cluster([server.url()]).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("cluster support disabled"), "{error}");

    let error = RedisNode::cluster(["redis://:a@h", "redis://:b@h"]).unwrap_err().to_string();
    assert_eq!(error, "url 2 differs from the first in more than host and port");
    let error = RedisNode::cluster(["redis://a", "unix:///s"]).unwrap_err().to_string();
    assert!(error.starts_with("url 2 is that of a socket"), "{error}");
    let none: [&str; 0] = [];
    assert!(RedisNode::cluster(none).unwrap_err().to_string().contains("at least one"));
}

#[tokio::test]
async fn values_are_cached_in_all_parts_of_the_cluster() {
    let cluster = Cluster::start().unwrap();
    let cache = RedisCache::on(node(&cluster));
    let freshness = Freshness::new(PATIENCE, PATIENCE).unwrap();
    let mut owners = HashSet::new();
    for key in (0..30).flat_map(|n| [format!("k{n}"), format!("{{k{n}}}:more"), format!("}}k{n}")])
    {
        cache.write(&key, key.as_bytes(), freshness).await.unwrap();
        let cached = cache.read(&key).await.unwrap();
        let value = key.clone().into_bytes();
        assert_eq!(cached, Some(Cached { value, age: Age::Fresh }));
        owners.insert(
            cluster.owner(cluster.slot(&format!("redlocks:cache:{key}")).unwrap()).unwrap(),
        );
    }
    assert_eq!(owners.len(), 3);
}
