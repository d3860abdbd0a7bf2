//! A server as a cache: each adapter takes these tests into one of its own, beside `common`, which has
//! its `Store` as well.

use std::time::Duration;

use redlock_core::{Age, Cache, CacheError, Cached, FailureKind, Freshness, NodeError};
use redlock_testkit::server::{Options, Server};

use crate::{
    Store,
    common::{PATIENCE, node, pttl, until},
};

fn cache(server: &Server) -> Store {
    Store::on(node(server))
}

fn for_millis(fresh: u64, stale: u64) -> Freshness {
    Freshness::new(Duration::from_millis(fresh), Duration::from_millis(stale)).unwrap()
}

async fn age(cache: &Store, key: &str) -> Option<Age> {
    cache.read(key).await.unwrap().map(|cached| cached.age)
}

fn kind(error: &CacheError) -> FailureKind {
    error.cause().downcast_ref::<NodeError>().unwrap().kind()
}

#[tokio::test]
async fn what_is_written_is_read_whatever_it_is() {
    let server = Server::start().unwrap();
    let cache = cache(&server);
    let large = vec![0xab; 3_000_000];
    let values: [&[u8]; 5] = [b"", b"value", b"\n1\n", b"\0\xff\r\n", &large];
    for key in ["k", "", "{tag}*?[x]", "\0\n", "ключ"] {
        assert_eq!(cache.read(key).await.unwrap(), None);
        for value in values {
            cache.write(key, value, for_millis(60_000, 0)).await.unwrap();
            let expected = Cached { value: value.to_vec(), age: Age::Fresh };
            assert_eq!(cache.read(key).await.unwrap(), Some(expected));
        }
    }
    // Nothing else is left on the server, and nothing for ever.
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 5);
    for key in server.cmd::<Vec<String>>(&["KEYS", "*"]).unwrap() {
        assert!(key.starts_with("redlocks:cache:"), "{key}");
        assert!(pttl(&server, &key) > 0, "{key}");
    }
}

#[tokio::test]
async fn a_value_is_fresh_then_stale_then_gone_by_the_clock_of_the_server() {
    let server = Server::start().unwrap();
    let cache = cache(&server);
    cache.write("k", b"v", for_millis(60_000, 120_000)).await.unwrap();
    let key = "redlocks:cache:k";
    let left = pttl(&server, key);
    assert!((170_000..=180_000).contains(&left), "{left}");
    assert_eq!(age(&cache, "k").await, Some(Age::Fresh));
    // As if a minute had passed, and then another two.
    server.cmd::<u64>(&["PEXPIRE", key, "120000"]).unwrap();
    assert_eq!(age(&cache, "k").await, Some(Age::Stale));
    server.cmd::<u64>(&["PEXPIRE", key, "0"]).unwrap();
    assert_eq!(age(&cache, "k").await, None);

    cache.write("k", b"v", for_millis(1, 0)).await.unwrap();
    until(PATIENCE, async || age(&cache, "k").await.is_none()).await;
    cache.write("k", b"v", for_millis(1, 60_000)).await.unwrap();
    until(PATIENCE, async || age(&cache, "k").await == Some(Age::Stale)).await;
    // Kept for ever by somebody, it is to be replaced all the same.
    server.cmd::<u64>(&["PERSIST", key]).unwrap();
    assert_eq!(age(&cache, "k").await, Some(Age::Stale));
}

#[tokio::test]
async fn what_somebody_else_has_put_there_is_nothing_or_an_error() {
    let server = Server::start().unwrap();
    let cache = cache(&server);
    server.cmd::<()>(&["SET", "redlocks:cache:k", "theirs"]).unwrap();
    assert_eq!(age(&cache, "k").await, None);
    server.cmd::<u64>(&["LPUSH", "redlocks:cache:list", "theirs"]).unwrap();
    let error = cache.read("list").await.unwrap_err();
    assert_eq!(kind(&error), FailureKind::Rejected, "{error}");
    cache.write("list", b"v", for_millis(60_000, 0)).await.unwrap();
    assert_eq!(age(&cache, "list").await, Some(Age::Fresh));
}

/// A cache may do what a node must not.
#[tokio::test]
async fn a_server_that_evicts_is_a_cache_and_no_node() {
    let args = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Options::new().args(args).start().unwrap();
    let node = node(&server);
    assert!(node.check().await.is_err());
    let cache = Store::on(node);
    cache.write("k", b"v", for_millis(60_000, 0)).await.unwrap();
    assert_eq!(age(&cache, "k").await, Some(Age::Fresh));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_until_it_is_back() {
    let mut server = Server::start().unwrap();
    let cache = cache(&server);
    cache.write("k", b"v", for_millis(60_000, 0)).await.unwrap();
    server.kill();
    for error in [
        cache.read("k").await.unwrap_err(),
        cache.write("k", b"v", for_millis(60_000, 0)).await.unwrap_err(),
    ] {
        let lost = [FailureKind::Closed, FailureKind::Unreachable];
        assert!(lost.contains(&kind(&error)), "{error}");
        assert!(error.to_string().starts_with("the cache failed: "), "{error}");
    }
    server.restart().unwrap();
    until(PATIENCE, async || cache.read("k").await.is_ok_and(|value| value.is_none())).await;
}

#[tokio::test]
async fn few_permissions_are_enough() {
    let may = ["+get", "+pttl", "+set", "+eval", "+evalsha", "~redlocks:cache:*"];
    let server = Options::new().user("u", "secret", may).start().unwrap();
    let cache = Store::open(&server.url_of("u").unwrap()).unwrap();
    cache.write("k", b"v", for_millis(60_000, 0)).await.unwrap();
    assert_eq!(age(&cache, "k").await, Some(Age::Fresh));
    assert!(!format!("{cache:?}").contains("secret"), "{cache:?}");
}
