//! `PythonLockNode`, whose keys have a prefix.

use redlocks::redis_rs::PythonLockNode;

use crate::on_server::{OnServer, node};

pub(crate) fn subject() -> OnServer {
    let open = |url: String| node(async move { PythonLockNode::open(&url).unwrap() });
    OnServer::start(open).with_prefix("lock:")
}

// Who waits by BLPOP is not counted by anybody.
redlock_testkit::conformance_tests!(subject(), lacking: fencing, quarantine, sets, listeners_are_counted);
