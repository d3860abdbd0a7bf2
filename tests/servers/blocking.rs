//! The lock from threads, on real servers.

#![cfg(feature = "blocking")]

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use redlock_testkit::server::Server;
use redlocks::{
    ConfigError, Error, Redlock, Renewal,
    blocking::{self, ListingError, StartError},
    redis_rs::{RedisCache, RedisNode},
};

use crate::support::{MS, count_keys, five};

#[test]
fn a_lock_is_kept_while_its_thread_sleeps_and_two_servers_hang() {
    let servers = five();
    let nodes = RedisNode::open_all(servers.iter().map(Server::url)).unwrap();
    let redlock = blocking::Redlock::new(Redlock::builder().nodes(nodes).ttl(3000 * MS)).unwrap();
    let lock = redlock.lock("r").renewal(Renewal::every(300 * MS));
    let guard = lock.acquire_within(3000 * MS).unwrap();
    servers[0].stop();
    servers[1].stop();
    thread::sleep(4000 * MS);
    guard.check().unwrap();
    let error = redlock.lock("r").try_acquire().unwrap_err();
    assert!(matches!(error, Error::Contended(_) | Error::Unavailable(_)), "{error}");
    assert!(guard.release().unwrap().is_released());
    servers[0].cont();
    servers[1].cont();
    assert!(redlock.settled(10_000 * MS).unwrap());
    assert_eq!(count_keys(&servers), 0);
}

#[test]
fn a_url_that_cannot_be_one_is_told_at_once_and_not_shown() {
    let error = blocking::connect(["redis://:secret@host:not-a-port"]).unwrap_err();
    assert!(matches!(error, StartError::Url(_)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let twice = blocking::connect(["redis://127.0.0.1:1", "redis://127.0.0.1:1"]).unwrap_err();
    assert!(matches!(twice, StartError::Config(_)), "{twice}");
    // A list that was to come from elsewhere, and is empty, must not lock on whatever runs here.
    let none = blocking::connect::<&str>([]).unwrap_err();
    assert!(matches!(none, StartError::Config(ConfigError::NoNodes)), "{none}");
}

#[test]
fn several_are_had_together_looked_at_and_taken_away() {
    let servers = five();
    let redlock = patient(&servers);
    let guard = several(&redlock);
    assert_eq!(redlock.inspect("a:2").unwrap().owner(), Some("host-1"));
    let listed: Vec<_> = redlock.list("a:").unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(listed.len(), 10);
    assert!(listed.iter().all(|one| one.token() == guard.token()));
    reset_with_one_hung(&redlock, &servers);
    // Its holder has been told, and gives up what else he had.
    assert!(!guard.is_valid());
    assert!(redlock.settled(10_000 * MS).unwrap());
    assert!(!redlock.is_locked("a:1").unwrap() && !redlock.is_locked("b").unwrap());
}

#[test]
fn what_somebody_else_takes_away_leaves_the_holder_the_rest_until_he_looks() {
    let servers = five();
    let redlock = patient(&servers);
    let guard = several(&redlock);
    // As another process would.
    reset_with_one_hung(&patient(&servers), &servers);
    assert!(!redlock.is_locked("a:1").unwrap() && redlock.is_locked("b").unwrap());
    drop(guard);
    assert!(redlock.settled(10_000 * MS).unwrap());
    assert!(!redlock.is_locked("b").unwrap());
}

/// A redlock whose nodes, called by their place, may take as long as they do on a busy machine.
fn patient(servers: &[Server]) -> blocking::Redlock {
    let nodes = servers
        .iter()
        .enumerate()
        .map(|(place, server)| RedisNode::open(&server.url()).unwrap().labelled(place.to_string()));
    let builder = Redlock::builder().nodes(nodes).node_timeout(1000 * MS);
    blocking::Redlock::new(builder).unwrap()
}

/// Three resources together, which are not renewed before the test is over.
fn several(redlock: &blocking::Redlock) -> blocking::Guard {
    let lock = redlock.lock_all(["a:1", "a:2", "b"]).owner("host-1").ttl(60_000 * MS);
    let guard = lock.acquire().unwrap();
    assert!(redlock.settled(10_000 * MS).unwrap());
    guard
}

/// Takes two of the three away, while the last server does not answer.
fn reset_with_one_hung(redlock: &blocking::Redlock, servers: &[Server]) {
    servers[4].stop();
    let told: Vec<_> = redlock.reset_all("a:").unwrap().collect();
    servers[4].cont();
    let (mut removed, mut failed) = (BTreeSet::new(), Vec::new());
    for one in told {
        match one {
            Ok(one) => assert!(removed.insert(format!("{} on {}", one.resource(), one.label()))),
            Err(ListingError::Node(error)) => failed.push(error.label().to_owned()),
            Err(error) => panic!("{error}"),
        }
    }
    let on_each = |name| (0..4).map(move |node| format!("{name} on {node}"));
    assert_eq!(removed, ["a:1", "a:2"].into_iter().flat_map(on_each).collect());
    // Once, although both its page and removals fail.
    assert_eq!(failed, ["4"]);
}

/// The connection of the cache lives on the background thread, while this one computes.
#[test]
fn a_value_on_a_server_is_computed_by_one_thread() {
    let servers = five();
    let redlock = blocking::connect(servers.iter().map(Server::url)).unwrap();
    let cache = RedisCache::open(&servers[0].url()).unwrap();
    let computed = AtomicUsize::new(0);
    let get = || {
        let asked = redlock.get_or_compute(&cache, "k", 60_000 * MS);
        asked.run(|| {
            thread::sleep(50 * MS);
            computed.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Error>("value".to_owned())
        })
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(get)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap().value(), "value");
        }
    });
    assert_eq!(computed.into_inner(), 1);
}
