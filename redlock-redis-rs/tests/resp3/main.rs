//! `RedisNode` over RESP3: its contract once more, and those who wait, who are told otherwise.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../adapter/contract.rs"]
mod contract;
#[path = "../../../redlock-wire/tests/adapters"]
mod every_adapter {
    mod notifications;
}
#[path = "../adapter/notifications.rs"]
mod notifications;

use common::{node, votes};
use redlock_testkit::server::Server;

#[tokio::test]
async fn the_connection_of_these_tests_speaks_resp3() {
    let server = Server::start().unwrap();
    let node = node(&server);
    assert!(votes(&node).await);
    let clients: String = server.cmd(&["CLIENT", "LIST"]).unwrap();
    let own = clients.lines().find(|line| !line.contains("cmd=client")).unwrap();
    assert!(own.contains("resp=3"), "{own}");
}
