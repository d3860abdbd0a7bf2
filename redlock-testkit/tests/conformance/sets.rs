//! The node as one that takes several resources at once, and what it does wrong with that.

use redlock_core::{
    Announced, LockNode, NodeError, Resource, ResourceSet, Sets, Token, Ttl, Vote, async_trait,
};

use crate::{
    defect::Defect::*,
    node::{Late, Node},
};

#[async_trait]
impl Sets for Node {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let late = Late::by(self, DroppedSetsComeLate, resources.first(), token, ttl);
        let reached = self.reach_all(resources).await;
        late.in_time();
        let Some(resources) = &reached? else { return Ok(Vote::held_by_another(None)) };
        let locks = &self.store.locks;
        match self.defect {
            Some(SetsAreNeverTaken) => return Ok(Vote::held_by_another(None)),
            Some(SetsAreTakenInPart) => {
                for resource in resources {
                    let vote = locks.acquire(resource, token, ttl).await?;
                    if vote != Vote::granted() {
                        return Ok(vote);
                    }
                }
            }
            Some(SetsTakeTheFirst) => {
                return locks.acquire(resources.first(), token, ttl).await;
            }
            Some(SetsRenewWhatTheyHave) => {
                for resource in resources {
                    locks.extend(resource, token, ttl).await?;
                }
            }
            Some(SetsCheckThenAct) => {
                let mut free = true;
                for resource in resources {
                    free &= self.holder(resource).await?.is_none_or(|holder| holder == *token);
                }
                tokio::task::yield_now().await;
                if free {
                    resources.iter().for_each(|resource| locks.evict(resource));
                }
            }
            _ => {}
        }
        locks.sets().expect("memory nodes take sets").acquire_all(resources, token, ttl).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let reached = self.reach_all(resources).await?;
        let Some(resources) = &reached else { return Ok(Vote::not_held()) };
        let locks = &self.store.locks;
        match self.defect {
            Some(SetsExtendTheFirst) => return locks.extend(resources.first(), token, ttl).await,
            Some(SetsExtendWhatIsLeft) => {
                for resource in resources {
                    locks.extend(resource, token, ttl).await?;
                }
            }
            Some(SetsCloseTheirGaps) => {
                let sets = locks.sets().expect("memory nodes take sets");
                sets.acquire_all(resources, token, ttl).await?;
            }
            _ => {}
        }
        locks.sets().expect("memory nodes take sets").extend_all(resources, token, ttl).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        if self.has(SetsAlwaysTell) {
            return Ok(self.release_all_and_notify(resources, token).await?.vote);
        }
        Ok(self.give_up(resources, token).await?.0)
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let (vote, released) = self.give_up(resources, token).await?;
        let mut listeners = u32::from(self.has(SetsMiscountListeners));
        for resource in &released {
            let known = self.store.locks.subscriptions(resource);
            listeners += u32::try_from(known).expect("there are but a few");
        }
        let told = match self.defect {
            Some(SetsTellNobody) => &[],
            Some(SetsTellOfTheFirst) => &released[..released.len().min(1)],
            Some(SetsTellOfAll) => resources.as_slice(),
            _ => &released,
        };
        for resource in told {
            self.store.tell(resource).await?;
        }
        let listeners = if vote == Vote::granted() { listeners } else { 0 };
        Ok(Announced { vote, listeners })
    }
}

impl Node {
    async fn reach_all(&self, resources: &ResourceSet) -> Result<Option<ResourceSet>, NodeError> {
        let mut reached = Vec::new();
        for resource in resources {
            match self.reach(resource).await {
                Ok(Some(resource)) => reached.push(resource),
                Ok(None) => return Ok(None),
                Err(_) if self.has(SetsPassOverFailures) => {}
                Err(error) => return Err(error),
            }
        }
        if self.has(SetsRunNamesTogether) {
            let name: String = reached.iter().map(Resource::as_str).collect();
            reached = vec![Resource::new(name.replace("{s}", "")).expect("no name is empty")];
        }
        if reached.is_empty() {
            return Ok(None);
        }
        Ok(Some(ResourceSet::new(reached).expect("it is not empty")))
    }

    /// The vote, and what was given up.
    async fn give_up(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<(Vote, Vec<Resource>), NodeError> {
        let locks = &self.store.locks;
        // What is no lock fails, and the others are given up all the same.
        let (mut reached, mut failed) = (Vec::new(), None);
        for resource in resources {
            match self.reach_all(&resource.clone().into()).await {
                Ok(Some(found)) => reached.extend(found.iter().cloned()),
                Ok(None) => return Ok((Vote::not_held(), Vec::new())),
                Err(error) => failed = Some(error),
            }
        }
        if self.has(SetsRunNamesTogether) && failed.is_none() {
            reached = self.reach_all(resources).await?.iter().flatten().cloned().collect();
        }
        let mut own = Vec::new();
        for resource in &reached {
            match self.holder(resource).await? {
                Some(holder) if holder == *token => own.push(resource.clone()),
                Some(_) if self.has(SetsReleaseOthers) => locks.evict(resource),
                _ => {}
            }
        }
        if self.has(SetsAreReleasedWholeOrNotAtAll) && own.len() < reached.len() {
            return Ok((Vote::held_by_another(None), Vec::new()));
        }
        let vote = match ResourceSet::new(reached) {
            Ok(set) => {
                let sets = locks.sets().expect("memory nodes take sets");
                sets.release_all(&set, token).await?
            }
            Err(_) => Vote::not_held(),
        };
        failed.map_or(Ok((vote, own)), Err)
    }
}
