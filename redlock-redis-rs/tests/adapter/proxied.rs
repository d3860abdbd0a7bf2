//! What a network can do to a node, by the suite that every node for Redis is put through.

use std::sync::Arc;

use redlock_core::LockNode;
use redlock_redis_rs::RedisNode;
use redlock_testkit::outages::Failed;

async fn connect(url: String) -> Result<Arc<dyn LockNode>, Failed> {
    Ok(Arc::new(RedisNode::open(&url)?))
}

redlock_testkit::outage_tests!(connect, connections: 1);

mod broken {
    //! The suite finds out nodes that do what they must not.

    use async_trait::async_trait;
    use redlock_core::{
        Accord, Delivery, Fencing, Identity, Inspection, NodeError, Notifications, Resource, Sets,
        Survey, Token, Ttl, Vote, Witness,
    };
    use redlock_testkit::outages::{Outage, run};

    use super::{Arc, Failed, LockNode, RedisNode};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Vice {
        /// Sends an acquire again that had no answer.
        Replays,
        /// Says of every failure that nothing was sent.
        Belittles,
        /// Takes a failed acquire for a vote.
        Guesses,
        /// Says that it has released and has not.
        Keeps,
        /// Leaves a task behind with each call.
        Spawns,
    }

    #[derive(Debug)]
    struct Broken(RedisNode, Vice);

    #[async_trait]
    impl LockNode for Broken {
        fn label(&self) -> &str {
            self.0.label()
        }

        fn identity(&self) -> Option<Identity> {
            self.0.identity()
        }

        fn notifications(&self) -> Option<&dyn Notifications> {
            None
        }

        fn fencing(&self) -> Option<&dyn Fencing> {
            None
        }

        fn sets(&self) -> Option<&dyn Sets> {
            None
        }

        fn survey(&self) -> Option<&dyn Survey> {
            None
        }

        fn witness(&self) -> Option<&dyn Witness> {
            self.0.witness()
        }

        fn accord(&self) -> Option<&dyn Accord> {
            None
        }

        async fn acquire(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError> {
            if self.1 == Vice::Spawns {
                tokio::spawn(std::future::pending::<()>());
            }
            match (self.0.acquire(resource, token, ttl).await, self.1) {
                (Err(_), Vice::Replays) => self.0.acquire(resource, token, ttl).await,
                (Err(error), Vice::Belittles) => Err(error.with_delivery(Delivery::NotSent)),
                (Err(_), Vice::Guesses) => Ok(Vote::granted()),
                (answer, _) => answer,
            }
        }

        async fn extend(
            &self,
            resource: &Resource,
            token: &Token,
            ttl: Ttl,
        ) -> Result<Vote, NodeError> {
            self.0.extend(resource, token, ttl).await
        }

        async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
            match self.1 {
                Vice::Keeps => Ok(Vote::granted()),
                _ => self.0.release(resource, token).await,
            }
        }

        async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
            self.0.inspect(resource).await
        }
    }

    async fn fails(outage: Outage, vice: Vice, sentence: &str) {
        let connect = async |url: String| -> Result<Arc<dyn LockNode>, Failed> {
            let node: Arc<dyn LockNode> = Arc::new(Broken(RedisNode::open(&url)?, vice));
            Ok(node)
        };
        let error = run(outage, 1, connect).await.unwrap_err().to_string();
        assert!(error.contains(sentence), "{vice:?}: {error}");
    }

    #[tokio::test]
    async fn a_replay_is_found_out() {
        let replay = "answered in an outage: Ok(Granted";
        fails(Outage::CutInReply, Vice::Replays, replay).await;
    }

    #[tokio::test]
    async fn a_request_that_is_said_not_to_be_sent_is_found_out() {
        fails(Outage::CutInReply, Vice::Belittles, "its delivery told as NotSent").await;
    }

    #[tokio::test]
    async fn a_vote_that_nobody_cast_is_found_out() {
        fails(Outage::LostRequests, Vice::Guesses, "answered in an outage").await;
    }

    #[tokio::test]
    async fn a_key_that_is_left_is_found_out() {
        fails(Outage::Killed, Vice::Keeps, "left behind although released").await;
    }

    #[tokio::test]
    async fn a_task_that_is_left_is_found_out() {
        fails(Outage::Refused, Vice::Spawns, "waited in vain for the tasks").await;
    }
}
