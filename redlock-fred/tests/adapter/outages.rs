//! Servers that die, hang and come back, and callers that go away.

use redlock_core::LockNode;
use redlock_testkit::server::Server;
use tokio::runtime::Handle;

use crate::common::{PATIENCE, node, poll_and_drop, resource, until, votes};

#[tokio::test]
async fn the_last_clone_that_is_dropped_leaves_no_task_and_no_connection() {
    let mut server = Server::start().unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 0);
    for round in 0..6 {
        let node = node(&server);
        match round {
            // In use, still connecting, in use once more, and then without a server.
            0 | 1 => assert!(votes(&node).await),
            2 => assert!(!poll_and_drop(node.inspect(&resource("r")), 2).await),
            _ => assert_eq!(votes(&node).await, round == 3),
        }
        match round {
            3 => server.kill(),
            4 => assert!(!votes(&node.clone()).await),
            _ => {}
        }
        let last = node.clone();
        drop(node);
        poll_and_drop(last.inspect(&resource("r")), 3).await;
        drop(last);
        until(PATIENCE, || async { tasks() == 0 }).await;
        if round < 3 {
            until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
        }
    }
}
