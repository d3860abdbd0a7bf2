//! The contract of `LockNode` once more, over RESP3.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[path = "contract.rs"]
mod contract;

use contract::common::{node, votes};
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
