//! Clients of other kinds on the same servers, by the wire format of the Redis documentation.

use redlock_testkit::server::Server;
use redlocks::{Error, Lease, ReleaseOutcome, Resource, Token, Ttl};

use crate::support::{MS, count_keys, five, redlock};

/// What the Redis documentation tells every client to release with.
const DELETE_IF_EQUAL: &str = "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

fn text(token: &Token) -> &str {
    str::from_utf8(token.as_bytes()).unwrap()
}

#[tokio::test]
async fn the_key_is_the_resource_and_its_value_the_token() {
    let servers = five();
    let resource = "orders:{42} *?[x] ключ";
    let redlock = redlock(&servers);
    let guard = redlock.lock(resource).acquire().await.unwrap();
    // The votes that were not waited for come in as well.
    redlock.settled().await;
    for server in &*servers {
        assert_eq!(server.cmd::<Vec<String>>(&["KEYS", "*"]).unwrap(), [resource]);
        assert_eq!(server.cmd::<String>(&["GET", resource]).unwrap(), text(guard.token()));
        let left: i64 = server.cmd(&["PTTL", resource]).unwrap();
        assert!((9_000..=10_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn a_plain_client_is_refused_what_is_locked_here_and_can_release_it_with_the_token() {
    let servers = five();
    let redlock = redlock(&servers);
    let guard = redlock.lock("r").acquire().await.unwrap();
    let take = |server: &Server| -> Option<String> {
        server.cmd(&["SET", "r", "theirs", "NX", "PX", "5000"]).unwrap()
    };
    // A quorum of the nodes has it for certain; the others may still be about to.
    assert!(servers.iter().filter(|server| take(server).is_none()).count() >= 3);
    let lease = guard.into_lease();
    for server in &*servers {
        server.cmd::<u64>(&["EVAL", DELETE_IF_EQUAL, "1", "r", text(lease.token())]).unwrap();
        server.cmd::<u64>(&["EVAL", DELETE_IF_EQUAL, "1", "r", "theirs"]).unwrap();
    }
    assert_eq!(count_keys(&servers), 0);
    assert_eq!(redlock.release(&lease).await.outcome(), ReleaseOutcome::Expired);
}

#[tokio::test]
async fn what_a_plain_client_has_locked_is_refused_here_and_released_with_its_token() {
    let servers = five();
    let redlock = redlock(&servers);
    for server in &*servers {
        server.cmd::<String>(&["SET", "r", "theirs", "NX", "PX", "5000"]).unwrap();
    }
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
    let (resource, ttl) = (Resource::new("r").unwrap(), Ttl::new(5000 * MS).unwrap());
    let wrong = Lease::new(resource.clone(), Token::from_bytes(*b"mine").unwrap(), ttl);
    assert_eq!(redlock.release(&wrong).await.outcome(), ReleaseOutcome::TakenByAnother);
    assert_eq!(count_keys(&servers), 5);
    let theirs = Lease::new(resource, Token::from_bytes(*b"theirs").unwrap(), ttl);
    let longer = redlock.extend(&theirs, 60_000 * MS).await.unwrap();
    assert!(redlock.release(&longer).await.is_released());
    redlock.settled().await;
    assert_eq!(count_keys(&servers), 0);
}

#[tokio::test]
async fn a_key_of_another_type_is_left_alone_and_told() {
    let servers = five();
    let redlock = redlock(&servers);
    for server in &*servers {
        server.cmd::<u64>(&["HSET", "r", "field", "value"]).unwrap();
    }
    let error = redlock.lock("r").try_acquire().await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    redlock.settled().await;
    for server in &*servers {
        assert_eq!(server.cmd::<String>(&["HGET", "r", "field"]).unwrap(), "value");
    }
}
