//! The contract of `LockNode`, point by point, on a real server.

use std::time::{Duration, Instant};

use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Refusal, Ttl, Vote};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::{Options, Server};

use crate::common::{exists, node, pttl, resource, token, ttl};

fn left(vote: Vote) -> Option<Duration> {
    match vote {
        Vote::Refused(Refusal::HeldByAnother { remaining, .. }) => remaining,
        other => panic!("{other:?} is not a refusal for another holder"),
    }
}

#[tokio::test]
async fn a_free_resource_is_granted_for_its_ttl_by_one_plain_command() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let vote = node.acquire(&resource("r"), &token("mine"), ttl(60_000)).await;
    assert_eq!(vote.unwrap(), Vote::granted());
    assert!((59_000..=60_000).contains(&pttl(&server, "r")));
    assert_eq!(server.cmd::<String>(&["GET", "r"]).unwrap(), "mine");
    assert_eq!(server.calls("set").unwrap(), 1);
    assert_eq!(server.calls("evalsha").unwrap() + server.calls("eval").unwrap(), 0);
}

#[tokio::test]
async fn acquiring_again_with_the_same_token_is_granted_and_keeps_the_first_expiry() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    for asked in [5_000, 60_000, 1] {
        let vote = node.acquire(&name, &mine, ttl(asked)).await.unwrap();
        assert_eq!(vote, Vote::granted());
        assert!((3_000..=5_000).contains(&pttl(&server, "r")));
    }
}

#[tokio::test]
async fn another_holder_is_a_refusal_that_tells_how_long() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    node.acquire(&name, &token("theirs"), ttl(60_000)).await.unwrap();

    let acquire = node.acquire(&name, &token("mine"), ttl(1)).await.unwrap();
    let extend = node.extend(&name, &token("mine"), ttl(90_000)).await.unwrap();
    let release = node.release(&name, &token("mine")).await.unwrap();
    for vote in [acquire, extend, release] {
        let left = left(vote).unwrap();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60));
    }
    assert_eq!(server.cmd::<String>(&["GET", "r"]).unwrap(), "theirs");
    assert!(pttl(&server, "r") <= 60_000);
}

#[tokio::test]
async fn a_holder_without_expiry_has_no_known_end() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    server.cmd::<()>(&["SET", "r", "theirs"]).unwrap();
    let vote = node.acquire(&name, &token("mine"), ttl(1_000)).await.unwrap();
    assert_eq!(vote, Vote::held_by(token("theirs").fingerprint(), None));
    let inspection = node.inspect(&name).await.unwrap();
    let held = Inspection::Held { token: token("theirs"), remaining: None };
    assert_eq!(inspection, held);
    // Its holder may extend it, which must not give it an end.
    let vote = node.extend(&name, &token("theirs"), ttl(1_000)).await.unwrap();
    assert_eq!(vote, Vote::granted());
    assert_eq!(pttl(&server, "r"), -1);
}

#[tokio::test]
async fn extending_lengthens_never_shortens_and_never_creates() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    let none = node.extend(&name, &mine, ttl(60_000)).await.unwrap();
    assert_eq!(none, Vote::not_held());
    assert!(!exists(&server, "r"));

    node.acquire(&name, &mine, ttl(5_000)).await.unwrap();
    assert_eq!(node.extend(&name, &mine, ttl(30_000)).await.unwrap(), Vote::granted());
    assert!(pttl(&server, "r") > 29_000);
    assert_eq!(node.extend(&name, &mine, ttl(1_000)).await.unwrap(), Vote::granted());
    assert!(pttl(&server, "r") > 28_000);
}

#[tokio::test]
async fn releasing_deletes_once_and_then_is_a_refusal() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    assert!(!exists(&server, "r"));
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::not_held());
    assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
}

#[tokio::test]
async fn a_lock_is_there_for_its_ttl_to_the_millisecond_and_then_gone() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    // What the server was asked for, as it remembers it.
    server.cmd::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).unwrap();
    for (nanos, millis) in [(1_000_000, "1"), (1_000_001, "2"), (40_000_000, "40")] {
        let asked = Duration::from_nanos(nanos);
        let start = Instant::now();
        let vote = node.acquire(&name, &mine, Ttl::new(asked).unwrap()).await;
        assert_eq!(vote.unwrap(), Vote::granted());
        let log: Vec<(u64, u64, u64, Vec<String>, String, String)> =
            server.cmd(&["SLOWLOG", "GET", "100"]).unwrap();
        // The latest comes first.
        let sent = log.into_iter().map(|entry| entry.3).find(|words| words[0] == "SET");
        assert_eq!(sent.unwrap(), ["SET", "r", "mine", "NX", "PX", millis]);
        while node.inspect(&name).await.unwrap() != Inspection::Free {}
        assert!(start.elapsed() >= asked, "gone after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn the_longest_ttl_is_kept_whole() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    let longest = Ttl::MAX;
    node.acquire(&name, &mine, ttl(1_000)).await.unwrap();
    assert_eq!(node.extend(&name, &mine, longest).await.unwrap(), Vote::granted());
    let millis = i64::try_from(longest.as_millis()).unwrap();
    assert!((millis - 60_000..=millis).contains(&pttl(&server, "r")));
}

#[tokio::test]
async fn tokens_are_any_bytes_and_resources_any_text() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let tokens: [&[u8]; 5] = [b"\0", b"\xff\xfe\r\n\0x", b"'] .. redis", b" ", &[0xAB; 70_000]];
    let names = ["{tag}:*?[x]", " ", "\0\r\n", "clé ключ 鍵 🔑", "'; return 1 --", "%d%s"];
    for name in names.map(resource) {
        for mine in tokens.map(token) {
            let theirs = token(b"other");
            assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
            assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
            assert!(left(node.release(&name, &theirs).await.unwrap()).is_some());
            assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
            let Inspection::Held { token: found, .. } = node.inspect(&name).await.unwrap() else {
                panic!("{name} is not held");
            };
            assert_eq!(found, mine);
            assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        }
    }
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
}

#[tokio::test]
async fn a_key_of_another_type_is_never_touched() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let mine = token("mine");
    server.cmd::<()>(&["RPUSH", "list", "mine"]).unwrap();
    server.cmd::<()>(&["HSET", "hash", "mine", "1"]).unwrap();
    for name in ["list", "hash"].map(resource) {
        let before: Vec<u8> = server.cmd(&["DUMP", name.as_str()]).unwrap();
        let errors = [
            node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err(),
            node.extend(&name, &mine, ttl(1_000)).await.unwrap_err(),
            node.release(&name, &mine).await.unwrap_err(),
            node.inspect(&name).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), FailureKind::Rejected);
            assert_eq!(error.delivery(), Delivery::Refused);
            assert!(error.to_string().contains("a key of another type"), "{error}");
        }
        assert_eq!(server.cmd::<Vec<u8>>(&["DUMP", name.as_str()]).unwrap(), before);
        assert_eq!(pttl(&server, name.as_str()), -1);
    }
}

#[tokio::test]
async fn one_of_many_who_ask_at_once_is_granted() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let name = resource("r");
    let asked = (0..200).map(|number| {
        let (node, name) = (node.clone(), name.clone());
        tokio::spawn(async move {
            let mine = token(format!("{number}"));
            node.acquire(&name, &mine, ttl(60_000)).await.unwrap() == Vote::granted()
        })
    });
    let votes = futures::future::join_all(asked).await;
    assert_eq!(votes.into_iter().filter(|granted| *granted.as_ref().unwrap()).count(), 1);
    let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
    // The node's one connection, and the one that asks.
    assert_eq!(clients.lines().count(), 2, "{clients}");
}

#[tokio::test]
async fn scripts_that_the_server_forgets_are_sent_again() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
    server.flush_scripts().unwrap();
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert_eq!(server.calls("eval").unwrap(), 1);
    assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert_eq!(server.calls("eval").unwrap(), 1);
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgetting_scripts_under_load_costs_nothing_but_a_round_trip() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let workers = (0..16).map(|number| {
        let node = node.clone();
        tokio::spawn(async move {
            let name = resource(&format!("r{number}"));
            for round in 0..100 {
                let mine = token(format!("{round}"));
                assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
                assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
                assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
            }
        })
    });
    let mut work = futures::future::join_all(workers);
    loop {
        tokio::select! {
            done = &mut work => {
                for result in done {
                    result.unwrap();
                }
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(1)) => {
                server.flush_scripts().unwrap();
            }
        }
    }
    assert!(server.calls("eval").unwrap() > 0, "the scripts were never missed");
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0, "a key is left behind");
}

#[tokio::test]
async fn the_same_server_by_another_name_has_the_same_identity() {
    let servers = [Server::start().unwrap(), Server::start().unwrap()];
    let by_address = node(&servers[0]);
    assert_eq!(by_address.identity(), None, "nothing is known before the first call");
    let url = format!("redis://localhost:{}", servers[0].port());
    let by_name = RedisNode::open(&url).unwrap();
    let other = node(&servers[1]);
    for node in [&by_address, &by_name, &other] {
        assert!(crate::common::votes(node).await);
    }
    assert!(by_address.identity().is_some());
    assert_eq!(by_address.identity(), by_name.identity());
    assert_ne!(by_address.identity(), other.identity());
}

#[tokio::test]
async fn a_unix_socket_and_another_database_work_too() {
    let server = Options::new().unix_socket().start().unwrap();
    let socket = server.unix_socket().unwrap();
    let url = format!("unix://{}?db=2", socket.display());
    let node = RedisNode::open(&url).unwrap();
    assert_eq!(node.label(), format!("unix:{}/2", socket.display()));
    assert!(crate::common::votes(&node).await);
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
    let keyspace: String = server.cmd(&["INFO", "keyspace"]).unwrap();
    assert!(keyspace.contains("db2:keys=1"), "{keyspace}");
}

#[tokio::test]
async fn any_client_or_connection_can_be_brought_along() {
    let server = Server::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let nodes = [
        RedisNode::from_client(client),
        RedisNode::open(&format!("{}?protocol=resp3", server.url())).unwrap(),
        RedisNode::from_manager("manager", manager),
        RedisNode::from_multiplexed("multiplexed", connection),
    ];
    for node in &nodes {
        let (name, mine) = (resource(node.label()), token("mine"));
        let theirs = token("theirs");
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        assert_eq!(node.identity(), nodes[0].identity());
        assert_eq!(node.extend(&name, &mine, ttl(1_000)).await.unwrap(), Vote::not_held());
        server.cmd::<()>(&["SET", name.as_str(), "mine", "PX", "60000"]).unwrap();
        let refused = node.acquire(&name, &theirs, ttl(1_000)).await.unwrap();
        assert!(left(refused).is_some());
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        assert!(node.identity().is_some());
    }
}
