use std::time::Duration;

use redlock_testkit::server::{Server, Servers};
use redlocks::{Redlock, redis_rs::RedisNode};

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn redlock(servers: &[Server]) -> Redlock {
    let urls = servers.iter().map(Server::url);
    let nodes = RedisNode::open_all(urls).unwrap();
    Redlock::builder().nodes(nodes).node_timeout(300 * MS).build().unwrap()
}

pub(crate) fn five() -> Servers {
    Servers::start(5).unwrap()
}

/// How many keys there are on these servers.
pub(crate) fn count_keys(servers: &[Server]) -> u64 {
    servers.iter().map(|server| server.cmd::<u64>(&["DBSIZE"]).unwrap()).sum()
}
