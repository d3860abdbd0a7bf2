//! Servers, and redlocks over them, whatever their nodes are made of.

use std::{sync::Arc, time::Duration};

use redlock_testkit::server::{Server, Servers};
use redlocks::{LockNode, Redlock, RedlockBuilder};

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn five() -> Servers {
    Servers::start(5).unwrap()
}

/// A redlock over these servers, each of which is made a node by its place and its url.
pub(crate) fn over(
    urls: impl IntoIterator<Item = String>,
    node: fn(usize, &str) -> Arc<dyn LockNode>,
) -> Redlock {
    let urls = urls.into_iter().enumerate();
    let nodes = urls.map(|(place, url)| node(place, &url));
    let builder = nodes.fold(Redlock::builder(), RedlockBuilder::shared_node);
    builder.node_timeout(300 * MS).build().unwrap()
}

/// How many keys there are on these servers.
pub(crate) fn count_keys(servers: &[Server]) -> u64 {
    servers.iter().map(|server| server.cmd::<u64>(&["DBSIZE"]).unwrap()).sum()
}
