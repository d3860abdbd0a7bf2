//! `PooledNode`, with a pool of its own and one that was brought along.

use redlocks::redis_rs::{PooledNode, deadpool_redis::Config, redis::Client};

use crate::on_server::{OnServer, node};

pub(crate) mod url {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move { PooledNode::open(&url).unwrap().restart_policy(policy) })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod pool {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let client = Client::open(url.as_str()).unwrap();
                let pool = Config::from_url(url).create_pool(None).unwrap();
                PooledNode::from_pool("pool", pool).listening_with(client).restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}
