//! The node as one that keeps agreements, and what it does wrong with that.

use redlock_core::{Accord, LockNode, NodeError, Resource, Runtime, TokioRuntime, async_trait};

use crate::{defect::Defect::*, node::Node};

#[async_trait]
impl Accord for Node {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        // It is none of the locks, so nothing of what they do wrong with names is done here.
        let somewhere = Resource::new("\u{1}nothing").expect("it is not empty");
        let locks = &self.store.locks;
        let shared = Resource::new("shared").expect("it is not empty");
        let name = if self.has(AgreementsAreShared) { &shared } else { name };
        match self.reach(&somewhere).await {
            Ok(Some(_)) => {}
            Err(_) if self.has(AgreementsNeedNoStore) => return Ok(terms.to_owned()),
            Err(error) => return Err(error),
            Ok(None) => return Ok(terms.to_owned()),
        }
        let there = locks.agreement(name);
        match self.defect {
            Some(AgreementsAreOverwritten) => locks.forget_agreement(name),
            Some(AgreementsCheckThenAct) if there.is_none() => {
                tokio::task::yield_now().await;
                locks.forget_agreement(name);
            }
            Some(AgreementsEnd) => {
                let mut more = self.store.more();
                let now = TokioRuntime::new().now();
                let since = *more.agreed.entry(name.clone()).or_insert(now);
                if now.since(since).as_secs() > 0 {
                    more.agreed.insert(name.clone(), now);
                    drop(more);
                    locks.forget_agreement(name);
                }
            }
            Some(AgreementsAreLocks) if there.is_none() => {
                let holder = redlock_core::Token::from_bytes(*b"terms").expect("it is not empty");
                let ttl = redlock_core::Ttl::MAX;
                locks.acquire(name, &holder, ttl).await?;
            }
            Some(AgreementsAreListed) => {
                let now = TokioRuntime::new().now();
                self.store.more().agreed.insert(name.clone(), now);
            }
            _ => {}
        }
        let terms = if self.has(AgreementsAreTrimmed) { terms.trim() } else { terms };
        let accord = locks.accord().expect("nodes in memory keep agreements");
        let told = accord.agree(name, terms).await?;
        Ok(if self.has(AgreementsEcho) { terms.to_owned() } else { told })
    }
}
