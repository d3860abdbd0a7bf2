//! What clients agree on, on real servers.

use redlock_core::{
    Accord, Agreement, Delivery, Error, FailureKind, LockNode, Redlock, RedlockBuilder, Survey,
};
use redlock_testkit::server::Server;

use crate::common::{Node, exists, node, pttl, resource, token, ttl};

fn client(servers: &[Server]) -> RedlockBuilder {
    let builder = Redlock::builder().node_timeout(std::time::Duration::from_secs(2));
    let builder = servers.iter().fold(builder, |builder, server| builder.node(node(server)));
    builder.agreement(Agreement::named("jobs"))
}

fn terms(server: &Server) -> String {
    server.cmd(&["GET", "redlocks:cfg:jobs"]).unwrap()
}

#[tokio::test]
async fn a_client_of_more_nodes_is_refused_until_the_keys_are_deleted() {
    let servers: Vec<_> = (0..5).map(|_| Server::start().unwrap()).collect();
    let three = client(&servers[..3]).build().unwrap();
    three.lock("r").acquire().await.unwrap().release().await;
    three.settled().await;
    for server in &servers[..3] {
        assert_eq!(terms(server), "redlocks=1 nodes=3");
        assert_eq!(pttl(server, "redlocks:cfg:jobs"), -1);
    }

    let five = client(&servers).build().unwrap();
    let error = five.lock("r").try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    let why = "its clients agreed on [redlocks=1 nodes=3] as \"jobs\", and this one has \
               [redlocks=1 nodes=5]";
    for node in &error.report().unwrap().nodes()[..3] {
        let error = node.error().unwrap();
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
        assert!(error.to_string().contains(why), "{error}");
    }
    five.settled().await;
    for server in &servers {
        assert!(!exists(server, "r"));
    }
    three.lock("r").acquire().await.unwrap().release().await;

    for server in &servers[..3] {
        server.cmd::<()>(&["DEL", "redlocks:cfg:jobs"]).unwrap();
    }
    five.lock("r").acquire().await.unwrap().release().await;
    five.settled().await;
    for server in &servers {
        assert_eq!(terms(server), "redlocks=1 nodes=5");
    }
}

#[tokio::test]
async fn a_server_that_has_restarted_empty_has_it_again_before_it_counts() {
    let mut server = Server::start().unwrap();
    let redlock = client(std::slice::from_ref(&server)).build().unwrap();
    redlock.lock("r").acquire().await.unwrap().release().await;
    redlock.settled().await;
    assert_eq!(terms(&server), "redlocks=1 nodes=1");
    server.kill();
    server.restart().unwrap();
    assert!(!exists(&server, "redlocks:cfg:jobs"), "it should have restarted empty");
    // The node finds out when it is asked, and is asked again as the one it is now.
    redlock.lock("r").acquire().await.unwrap().release().await;
    redlock.settled().await;
    assert_eq!(terms(&server), "redlocks=1 nodes=1");
}

#[tokio::test]
async fn what_is_there_stays_and_is_told() {
    let server = Server::start().unwrap();
    let (node, name) = (node(&server), resource("{jobs}*é"));
    let key = "redlocks:cfg:{jobs}*é";
    assert_eq!(node.agree(&name, "mine").await.unwrap(), "mine");
    assert_eq!(node.agree(&name, "theirs").await.unwrap(), "mine");
    // Also where the script has to be sent once more.
    server.cmd::<()>(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(node.agree(&name, "").await.unwrap(), "mine");
    assert_eq!(pttl(&server, key), -1);
    assert_eq!(node.agree(&resource("other"), "theirs").await.unwrap(), "theirs");

    // Neither is it a lock.
    node.acquire(&name, &token("mine"), ttl(60_000)).await.unwrap();
    let page = node.list("", None).await.unwrap();
    assert_eq!(page.held.len(), 1, "{page:?}");
    assert_eq!(node.agree(&name, "theirs").await.unwrap(), "mine");

    // Whatever somebody has put there.
    server.cmd::<()>(&["SET", key, ""]).unwrap();
    assert_eq!(node.agree(&name, "mine").await.unwrap(), "");
    server.cmd::<()>(&["EVAL", r"redis.call('SET', KEYS[1], 'a\255b')", "1", key]).unwrap();
    assert_eq!(node.agree(&name, "mine").await.unwrap(), "a\u{fffd}b");
    server.cmd::<()>(&["DEL", key]).unwrap();
    server.cmd::<()>(&["RPUSH", key, "v"]).unwrap();
    let error = node.agree(&name, "mine").await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_has_its_terms_written_down() {
    let server = Server::start().unwrap();
    let nodes: Vec<Node> = (0..8).map(|_| node(&server)).collect();
    for round in 0..20 {
        let name = resource(&format!("jobs {round}"));
        let asking = nodes.iter().enumerate().map(|(number, node)| {
            let (name, terms) = (name.clone(), format!("terms of {number}"));
            async move { node.agree(&name, &terms).await.unwrap() }
        });
        let told = futures::future::join_all(asking).await;
        let there: String = server.cmd(&["GET", &format!("redlocks:cfg:{name}")]).unwrap();
        assert!(told.iter().all(|told| *told == there), "{told:?}");
    }
}

#[tokio::test]
async fn permissions_that_the_documentation_names_are_enough() {
    let server = Server::start().unwrap();
    let user = |keys: &[&str]| {
        let lock = ["+set", "+get", "+del", "+pttl", "+eval", "+evalsha"];
        let rules = [&["ACL", "SETUSER", "u", "reset", "on", ">p"][..], keys, &lock].concat();
        server.cmd::<()>(&rules).unwrap();
        Node::open(&format!("redis://u:p@127.0.0.1:{}", server.port())).unwrap()
    };
    let able = user(&["~app:*", "~redlocks:cfg:*"]);
    assert_eq!(able.agree(&resource("jobs"), "mine").await.unwrap(), "mine");
    let error = user(&["~app:*"]).agree(&resource("jobs"), "mine").await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
}
