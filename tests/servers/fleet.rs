//! Servers, and redlocks over them, whatever their nodes are made of.

use std::{sync::Arc, time::Duration};

use redlock_testkit::server::{Server, Servers};
use redlocks::{LockNode, Redlock, RedlockBuilder};

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn five() -> Servers {
    Servers::start(5).unwrap()
}

/// A redlock to be, over these servers, each of which is made a node by its place and its url.
pub(crate) fn builder(
    urls: impl IntoIterator<Item = String>,
    node: fn(usize, &str) -> Arc<dyn LockNode>,
) -> RedlockBuilder {
    let nodes = urls.into_iter().enumerate().map(|(place, url)| node(place, &url));
    nodes.fold(Redlock::builder(), RedlockBuilder::shared_node).node_timeout(300 * MS)
}

/// A redlock over these servers.
pub(crate) fn over(
    urls: impl IntoIterator<Item = String>,
    node: fn(usize, &str) -> Arc<dyn LockNode>,
) -> Redlock {
    builder(urls, node).build().unwrap()
}

/// How many keys there are on these servers.
pub(crate) fn count_keys(servers: &[Server]) -> u64 {
    servers.iter().map(|server| server.cmd::<u64>(&["DBSIZE"]).unwrap()).sum()
}
