//! `PooledNode`, with a pool of its own and one that was brought along.

use redlocks::redis_rs::{PooledNode, deadpool_redis::Config};

use crate::on_server::{OnServer, node};

pub(crate) mod url {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| node(async move { PooledNode::open(&url).unwrap() }))
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod pool {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| {
            node(async {
                let pool = Config::from_url(url).create_pool(None).unwrap();
                PooledNode::from_pool("pool", pool)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}
