//! The contract of `LockNode` on a real server, for every way to make a node; in short, because the
//! library between must change nothing about it.

use std::time::Duration;

use futures::StreamExt;
use redlock_core::{
    Announced, Delivery, FailureKind, Inspection, LockNode, Notice, Refusal, Ttl, Vote,
};
use redlock_fred::{
    FredNode,
    fred::{
        clients::Pool,
        interfaces::ClientLike,
        types::{RespVersion, config::Config},
    },
};
use redlock_testkit::server::{Options, Server};
use tokio::time::timeout;

use crate::common::{
    PATIENCE, connected, exists, node, pttl, resource, settings, token, ttl, until, votes,
};

fn left(vote: Vote) -> Option<Duration> {
    match vote {
        Vote::Refused(Refusal::HeldByAnother { remaining, .. }) => remaining,
        other => panic!("{other:?} is not a refusal for another holder"),
    }
}

/// A node of each kind, all on this server.
async fn nodes(server: &Server) -> Vec<FredNode> {
    let resp3 = Config { version: RespVersion::RESP3, ..settings(server) };
    let pool = Pool::new(resp3.clone(), None, None, None, 3).unwrap();
    pool.init().await.unwrap();
    vec![
        node(server),
        FredNode::open(&format!("{}?protocol=resp3", server.url())).unwrap().labelled("resp3"),
        FredNode::from_config(resp3.clone()).unwrap().labelled("config"),
        FredNode::from_client("client", connected(server).await),
        FredNode::from_pool("pool", pool),
    ]
}

#[tokio::test]
async fn every_kind_of_node_takes_keeps_extends_and_gives_up() {
    let server = Server::start().unwrap();
    let nodes = nodes(&server).await;
    for node in &nodes {
        let (name, mine, theirs) = (resource(node.label()), token("mine"), token("theirs"));
        let key = name.as_str();
        assert_eq!(node.inspect(&name).await.unwrap(), Inspection::Free);
        assert_eq!(node.acquire(&name, &mine, ttl(5_000)).await.unwrap(), Vote::granted());
        // Again: granted, and the first expiry stands.
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert!((3_000..=5_000).contains(&pttl(&server, key)));
        assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.extend(&name, &mine, ttl(1)).await.unwrap(), Vote::granted());
        assert!((55_000..=60_000).contains(&pttl(&server, key)));

        for refused in [
            node.acquire(&name, &theirs, ttl(1)).await.unwrap(),
            node.extend(&name, &theirs, ttl(90_000)).await.unwrap(),
            node.release(&name, &theirs).await.unwrap(),
        ] {
            let left = left(refused).unwrap();
            assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60));
        }
        match node.inspect(&name).await.unwrap() {
            Inspection::Held { token, remaining } => {
                assert_eq!(token, mine);
                assert!(remaining.unwrap() > Duration::from_secs(50));
            }
            Inspection::Free => panic!("{key} is held"),
        }
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::not_held());
        assert_eq!(node.extend(&name, &mine, ttl(1_000)).await.unwrap(), Vote::not_held());
        assert!(!exists(&server, key));

        server.cmd::<()>(&["SET", key, "theirs"]).unwrap();
        let vote = node.acquire(&name, &mine, ttl(1_000)).await.unwrap();
        assert_eq!(vote, Vote::held_by(token("theirs").fingerprint(), None));

        assert!(node.identity().is_some(), "{key}");
        assert_eq!(node.identity(), nodes[0].identity(), "{key}");
    }
}

#[tokio::test]
async fn what_any_kind_of_node_tells_any_other_hears() {
    let server = Server::start().unwrap();
    let nodes = nodes(&server).await;
    let (mine, theirs) = (token("mine"), token("theirs"));
    for (number, tells) in nodes.iter().enumerate() {
        let name = resource(&format!("r{number}"));
        let teller = tells.notifications().unwrap();
        let mut all = Vec::new();
        for hears in &nodes {
            let hears = hears.notifications().unwrap();
            let elsewhere = hears.subscribe(&resource("elsewhere")).await.unwrap();
            all.push((hears.subscribe(&name).await.unwrap(), elsewhere));
        }
        let listeners = u32::try_from(all.len()).unwrap();

        let told = teller.release_and_notify(&name, &mine).await.unwrap();
        assert_eq!(told, Announced { vote: Vote::not_held(), listeners: 0 });
        assert_eq!(tells.acquire(&name, &theirs, ttl(60_000)).await.unwrap(), Vote::granted());
        let told = teller.release_and_notify(&name, &mine).await.unwrap();
        assert!(left(told.vote).is_some());
        // Only this one is heard.
        let told = teller.release_and_notify(&name, &theirs).await.unwrap();
        assert_eq!(told, Announced { vote: Vote::granted(), listeners });
        assert!(!exists(&server, name.as_str()));
        teller.notify(&name).await.unwrap();
        for (notices, elsewhere) in &mut all {
            let heard = timeout(PATIENCE, notices.take(2).collect::<Vec<_>>()).await.unwrap();
            let named = Notice { holder: Some(theirs.fingerprint()), listeners };
            assert_eq!(heard, [named, Notice { holder: None, listeners: 1 }]);
            assert!(futures::poll!(elsewhere.next()).is_pending());
        }
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_never_touched_by_any_kind_of_node() {
    let server = Server::start().unwrap();
    let (name, mine) = (resource("list"), token("mine"));
    server.cmd::<()>(&["RPUSH", "list", "mine"]).unwrap();
    let before: Vec<u8> = server.cmd(&["DUMP", "list"]).unwrap();
    for node in nodes(&server).await {
        let errors = [
            node.acquire(&name, &mine, ttl(1_000)).await.unwrap_err(),
            node.extend(&name, &mine, ttl(1_000)).await.unwrap_err(),
            node.release(&name, &mine).await.unwrap_err(),
            node.notifications().unwrap().release_and_notify(&name, &mine).await.unwrap_err(),
            node.inspect(&name).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
            assert_eq!(error.delivery(), Delivery::Refused, "{error}");
            assert!(error.to_string().contains("a key of another type: WRONGTYPE"), "{error}");
        }
    }
    assert_eq!(server.cmd::<Vec<u8>>(&["DUMP", "list"]).unwrap(), before);
    assert_eq!(pttl(&server, "list"), -1);
}

#[tokio::test]
async fn an_acquire_is_one_plain_command_in_whole_milliseconds() {
    let server = Server::start().unwrap();
    let node = node(&server);
    // What the server was asked for, as it remembers it.
    server.cmd::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).unwrap();
    let longest = Ttl::MAX.as_millis().to_string();
    for (asked, millis) in [
        (Duration::from_millis(1), "1"),
        (Duration::from_nanos(1_000_001), "2"),
        (Duration::from_millis(Ttl::MAX.as_millis()), longest.as_str()),
    ] {
        server.cmd::<()>(&["DEL", "r"]).unwrap();
        let vote = node.acquire(&resource("r"), &token("mine"), Ttl::new(asked).unwrap()).await;
        assert_eq!(vote.unwrap(), Vote::granted());
        let log: Vec<(u64, u64, u64, Vec<String>, String, String)> =
            server.cmd(&["SLOWLOG", "GET", "100"]).unwrap();
        // The latest comes first.
        let sent = log.into_iter().map(|entry| entry.3).find(|words| words[0] == "SET");
        assert_eq!(sent.unwrap(), ["SET", "r", "mine", "NX", "PX", millis]);
    }
    assert_eq!(server.calls("set").unwrap(), 3);
    assert_eq!(server.calls("evalsha").unwrap() + server.calls("eval").unwrap(), 0);
}

#[tokio::test]
async fn tokens_are_any_bytes_and_resources_any_text() {
    let server = Server::start().unwrap();
    let tokens: [&[u8]; 6] =
        [b"\0", b"OK", b"\xff\xfe\r\n\0x", b"'] .. redis", b"subscribe", &[0xAB; 70_000]];
    let names = ["{tag}:*?[x]", " ", "\0\r\n", "clé ключ 鍵 🔑", "'; return 1 --", "%d%s"];
    for node in nodes(&server).await {
        for name in names.map(resource) {
            for mine in tokens.map(token) {
                assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
                assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
                assert!(left(node.release(&name, &token("x")).await.unwrap()).is_some());
                let Inspection::Held { token: found, .. } = node.inspect(&name).await.unwrap()
                else {
                    panic!("{name} is not held");
                };
                assert_eq!(found, mine);
                assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
            }
        }
    }
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
}

#[tokio::test]
async fn one_of_many_who_ask_at_once_is_granted_over_one_connection() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let asked = (0..200).map(|number| {
        let node = node.clone();
        tokio::spawn(async move {
            let mine = token(format!("{number}"));
            node.acquire(&resource("r"), &mine, ttl(60_000)).await.unwrap() == Vote::granted()
        })
    });
    let votes = futures::future::join_all(asked).await;
    assert_eq!(votes.into_iter().filter(|granted| *granted.as_ref().unwrap()).count(), 1);
    assert_eq!(server.connections().unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_speaks_resp3_if_it_is_told_to() {
    let server = Server::start().unwrap();
    for (node, protocol) in [(node(&server), "resp=2"), (node(&server).resp3(), "resp=3")] {
        assert!(votes(&node).await);
        let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
        let own = clients.lines().find(|line| !line.contains("cmd=client")).unwrap();
        assert!(own.contains(protocol), "{own}");
        drop(node);
        until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgets_are_sent_again_once() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let (name, mine) = (resource("r"), token("mine"));
    node.acquire(&name, &mine, ttl(60_000)).await.unwrap();
    server.cmd::<()>(&["SCRIPT", "FLUSH"]).unwrap();
    for _ in 0..2 {
        assert_eq!(node.extend(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(server.calls("eval").unwrap(), 1);
    }
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
}

#[tokio::test]
async fn the_same_server_by_another_name_has_the_same_identity() {
    let servers = [Server::start().unwrap(), Server::start().unwrap()];
    let by_address = node(&servers[0]);
    assert_eq!(by_address.identity(), None, "nothing is known before the first call");
    let url = format!("redis://localhost:{}?protocol=resp3", servers[0].port());
    let by_name = FredNode::open(&url).unwrap();
    let other = node(&servers[1]);
    for node in [&by_address, &by_name, &other] {
        assert!(votes(node).await);
    }
    assert!(by_address.identity().is_some());
    assert_eq!(by_address.identity(), by_name.identity());
    assert_ne!(by_address.identity(), other.identity());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_a_user_and_another_database_work_too() {
    let server = Options::new().unix_socket().start().unwrap();
    server.cmd::<()>(&["ACL", "SETUSER", "u", "on", ">p@ss", "~*", "+@all"]).unwrap();
    server.cmd::<()>(&["ACL", "SETUSER", "free", "on", "nopass", "~*", "+@all"]).unwrap();
    let socket = server.unix_socket().unwrap();
    let port = server.port();
    let path = socket.display();
    for (url, label, user) in [
        (format!("unix://{path}?db=2&user=u&pass=p%40ss"), format!("unix:{path}/2"), "u"),
        (format!("unix://{path}?db=3&protocol=resp3"), format!("unix:{path}/3"), "default"),
        (format!("redis://u:p%40ss@127.0.0.1:{port}/4"), format!("127.0.0.1:{port}/4"), "u"),
        (
            format!("redis://u:p%40ss@127.0.0.1:{port}/5?protocol=resp3"),
            format!("127.0.0.1:{port}/5"),
            "u",
        ),
        (
            format!("valkey://free@127.0.0.1:{port}/6?protocol=3"),
            format!("127.0.0.1:{port}/6"),
            "free",
        ),
    ] {
        let node = FredNode::open(&url).unwrap();
        assert_eq!(node.label(), label);
        assert!(votes(&node).await, "{url}");
        let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
        let ours = clients.lines().find(|line| !line.contains("cmd=client")).unwrap();
        assert!(ours.contains(&format!(" user={user} ")), "{url}: {ours}");
        let version = if url.contains("protocol") { " resp=3" } else { " resp=2" };
        // Redis 6 does not tell.
        assert!(ours.contains(version) || !ours.contains(" resp="), "{url}: {ours}");
        drop(node);
        until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
    }
    assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
    let keyspace: String = server.cmd(&["INFO", "keyspace"]).unwrap();
    for database in 2..=6 {
        assert!(keyspace.contains(&format!("db{database}:keys=1")), "{keyspace}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_when_the_node_is_built() {
    let settings = Config { username: Some("u".into()), ..Config::default() };
    let error = FredNode::from_config(settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the field `username` of the configuration is set without a `password`, so it is not used"
    );
}
