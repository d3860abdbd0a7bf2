//! The lock from threads, on real servers.

#![cfg(feature = "blocking")]

use std::thread;

use redlock_testkit::server::Server;
use redlocks::{
    Error, Redlock, Renewal,
    blocking::{self, StartError},
    redis_rs::RedisNode,
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
}
