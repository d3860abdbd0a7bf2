//! `FredNode`, by each way to make one.

use redlocks::fred::{
    FredNode,
    fred::{
        clients::{Client, Pool},
        interfaces::ClientLike,
        types::config::{Config, ReconnectPolicy},
    },
};

use crate::on_server::{OnServer, node};

pub(crate) mod url {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move { FredNode::open(&url).unwrap().restart_policy(policy) })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod resp3 {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let url = format!("{url}?protocol=resp3");
                FredNode::open(&url).unwrap().restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod config {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let config = Config::from_url(&url).unwrap();
                FredNode::from_config(config).unwrap().restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod client {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let config = Config::from_url(&url).unwrap();
                let client = Client::new(config, None, None, Some(at_once()));
                client.init().await.unwrap();
                FredNode::from_client("client", client).restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod pool {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let config = Config::from_url(&url).unwrap();
                let pool = Pool::new(config, None, None, Some(at_once()), 3).unwrap();
                pool.init().await.unwrap();
                FredNode::from_pool("pool", pool).restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

/// A cut connection is made again by the client itself.
fn at_once() -> ReconnectPolicy {
    ReconnectPolicy::new_constant(0, 10)
}
