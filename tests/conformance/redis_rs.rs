//! `RedisNode`, by each way to make one.

use redlocks::redis_rs::{RedisNode, redis::Client};

use crate::on_server::{OnServer, node};

pub(crate) mod url {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move { RedisNode::open(&url).unwrap().restart_policy(policy) })
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
                RedisNode::open(&url).unwrap().restart_policy(policy)
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
                RedisNode::from_client(Client::open(url).unwrap()).restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod manager {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url, policy| {
            node(async move {
                let client = Client::open(url).unwrap();
                let manager = client.get_connection_manager().await.unwrap();
                RedisNode::from_manager("manager", manager)
                    .listening_with(client)
                    .restart_policy(policy)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject());
}

pub(crate) mod multiplexed {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        let subject = OnServer::start(|url, policy| {
            node(async move {
                let client = Client::open(url).unwrap();
                let connection = client.get_multiplexed_async_connection().await.unwrap();
                RedisNode::from_multiplexed("multiplexed", connection)
                    .listening_with(client)
                    .restart_policy(policy)
            })
        });
        subject.without_reconnecting("a connection that was brought along is not made again")
    }

    redlock_testkit::conformance_tests!(subject(), lacking: a_cut_connection_is_made_again);
}
