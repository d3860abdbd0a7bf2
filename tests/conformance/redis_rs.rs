//! `RedisNode`, by each way to make one.

use redlocks::redis_rs::{RedisNode, redis::Client};

use crate::on_server::{OnServer, node};

pub(crate) mod url {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| node(async move { RedisNode::open(&url).unwrap() }))
    }

    redlock_testkit::conformance_tests!(subject(), lacking: quarantine);
}

pub(crate) mod resp3 {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| {
            node(async move { RedisNode::open(&format!("{url}?protocol=resp3")).unwrap() })
        })
    }

    redlock_testkit::conformance_tests!(subject(), lacking: quarantine);
}

pub(crate) mod client {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| node(async { RedisNode::from_client(Client::open(url).unwrap()) }))
    }

    redlock_testkit::conformance_tests!(subject(), lacking: quarantine);
}

pub(crate) mod manager {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        OnServer::start(|url| {
            node(async {
                let client = Client::open(url).unwrap();
                let manager = client.get_connection_manager().await.unwrap();
                RedisNode::from_manager("manager", manager).listening_with(client)
            })
        })
    }

    redlock_testkit::conformance_tests!(subject(), lacking: quarantine);
}

pub(crate) mod multiplexed {
    use super::*;

    pub(crate) fn subject() -> OnServer {
        let subject = OnServer::start(|url| {
            node(async {
                let client = Client::open(url).unwrap();
                let connection = client.get_multiplexed_async_connection().await.unwrap();
                RedisNode::from_multiplexed("multiplexed", connection).listening_with(client)
            })
        });
        subject.without_reconnecting("a connection that was brought along is not made again")
    }

    redlock_testkit::conformance_tests!(subject(), lacking: quarantine, a_cut_connection_is_made_again);
}
