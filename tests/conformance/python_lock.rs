//! `PythonLockNode`, whose keys have a prefix.

use redlocks::redis_rs::PythonLockNode;

use crate::on_server::{OnServer, node};

pub(crate) fn subject() -> OnServer {
    let open = |url: String, _| node(async move { PythonLockNode::open(&url).unwrap() });
    let subject = OnServer::start(open).with_prefix("lock:");
    subject.without_quarantine("python-redis-lock knows of no restarts")
}

// Who waits by BLPOP is not counted by anybody.
redlock_testkit::conformance_tests!(subject(), lacking: fencing, quarantine, sets, accord, listeners_are_counted);
