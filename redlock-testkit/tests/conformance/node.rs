//! A node that can do all that a subject may be asked for, and does one thing wrong if told so.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock_core::{
    Accord, FailureKind, Fencing, Identity, Inspection, LockNode, NodeError, Notifications,
    Refusal, Resource, Sets, Survey, Token, Ttl, Vote, Witness, async_trait,
};
use redlock_testkit::MemoryNode;

use crate::{
    defect::Defect::{self, *},
    store::{PASSWORD, Store},
};

pub(crate) struct Node {
    pub(crate) store: Arc<Store>,
    pub(crate) defect: Option<Defect>,
    /// The connection of the store that it is on.
    connection: AtomicU64,
    broken: AtomicBool,
    calls: AtomicU32,
    number: u64,
}

impl Node {
    pub(crate) fn new(store: Arc<Store>, defect: Option<Defect>, number: u64) -> Self {
        Self {
            connection: AtomicU64::new(store.connection.load(SeqCst)),
            broken: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            store,
            defect,
            number,
        }
    }

    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn fails(&self, kind: FailureKind) -> NodeError {
        NodeError::new(if self.has(FailuresAreNobodys) { "node" } else { "full" }, kind)
    }

    /// What every call begins with: the way to the store, on which it can be dropped. `None` if
    /// there is a refusal in place of a failure.
    pub(crate) async fn reach(&self, resource: &Resource) -> Result<Option<Resource>, NodeError> {
        self.calls.fetch_add(1, SeqCst);
        let mut watch = Watch { node: self, done: false };
        tokio::task::yield_now().await;
        watch.done = true;
        if self.has(NeverAnswers) {
            std::future::pending::<()>().await;
        }
        if self.broken.load(SeqCst) {
            return Err(self.fails(FailureKind::Closed));
        }
        let refusing = |refuses, kind| if refuses { Ok(None) } else { Err(self.fails(kind)) };
        if self.store.away.load(SeqCst) {
            return refusing(self.has(AbsenceIsARefusal), FailureKind::Unreachable);
        }
        let current = self.store.connection.load(SeqCst);
        if self.connection.load(SeqCst) != current {
            if !self.has(NeverReconnects) {
                self.connection.store(current, SeqCst);
            }
            return Err(self.fails(FailureKind::Closed));
        }
        if self.has(NeedsWhatWasPrepared) && !self.store.prepared.load(SeqCst) {
            return Err(self.fails(FailureKind::Rejected));
        }
        if let Some(value) = self.store.more().foreign.get_mut(resource) {
            if self.has(OverwritesForeignKeys) {
                value.clear();
            }
            return refusing(self.has(ForeignKeysAreRefusals), FailureKind::Rejected);
        }
        let name = resource.as_str();
        if self.has(ResourcesArePasted) && name.contains('\'') {
            return Err(self.fails(FailureKind::Rejected));
        }
        let same = if self.has(ResourcesIgnoreCase) { name.to_lowercase() } else { name.into() };
        Ok(Some(Resource::new(same).expect("it was not empty before")))
    }

    fn stored(&self, token: &Token) -> Token {
        if self.has(TokensAreUtf8) {
            let text = String::from_utf8_lossy(token.as_bytes()).into_owned();
            return Token::from_bytes(text.into_bytes()).expect("it was not empty before");
        }
        token.clone()
    }

    fn endless(&self, resource: &Resource) -> Option<Token> {
        self.store.more().endless.get(resource).cloned()
    }

    fn is_last(&self, resource: &Resource, token: &Token) -> bool {
        self.store.more().last.get(resource) == Some(token)
    }

    /// As the store would have it if the token were the holder's.
    pub(crate) async fn holder(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        Ok(match self.store.locks.inspect(resource).await? {
            Inspection::Held { token, .. } => Some(token),
            Inspection::Free => None,
        })
    }

    fn set_ttl(&self, ttl: Ttl) -> Ttl {
        let changed = match self.defect {
            Some(CutsTtls) => ttl.get().saturating_sub(Duration::from_millis(3)),
            Some(AddsAMinuteToTtls) => ttl.get() + Duration::from_secs(60),
            Some(CutsWhatWouldOutliveQuarantine) => {
                let most = self.store.more().max_ttl;
                return most.map_or(ttl, |most| ttl.min(most));
            }
            Some(WrapsTtlsAt32Bits) => Duration::from_millis(ttl.as_millis() & 0xffff_ffff),
            _ => return ttl,
        };
        Ttl::new(changed).unwrap_or(if changed > ttl.get() { Ttl::MAX } else { Ttl::MIN })
    }
}

#[async_trait]
impl LockNode for Node {
    fn label(&self) -> &str {
        match self.has(ChangesItsLabel) && self.calls.load(SeqCst) > 0 {
            true => "full and called",
            false => "full",
        }
    }

    fn identity(&self) -> Option<Identity> {
        match self.defect {
            Some(IdentityOfTheConnection) => Some(Identity::new(self.number.into())),
            Some(IdentityOfTheProgram) => Some(Identity::new(0)),
            _ => self.store.locks.identity(),
        }
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        Some(self)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        Some(self)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        Some(self)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        None
    }

    fn accord(&self) -> Option<&dyn Accord> {
        Some(self)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let locks = &self.store.locks;
        let late = Late::of(self, resource, token, ttl);
        let reached = self.reach(resource).await;
        late.in_time();
        let Some(resource) = reached? else { return Ok(Vote::held_by_another(None)) };
        let (resource, token, set) = (&resource, &self.stored(token), self.set_ttl(ttl));
        if let Some(holder) = self.endless(resource) {
            let own = holder == *token;
            return Ok(if own { Vote::granted() } else { Vote::held_by_another(None) });
        }
        let holder = self.holder(resource).await?;
        match self.defect {
            Some(GrantsNothing) => return Ok(Vote::held_by_another(None)),
            Some(RefusesItsOwnToken) if holder.as_ref() == Some(token) => {
                return Ok(Vote::held_by_another(None));
            }
            Some(AcquireRenews) if holder.as_ref() == Some(token) => {
                return locks.extend(resource, token, ttl).await;
            }
            Some(TakesBeginningsForTokens) => {
                let alike = |held: &Token| held.as_bytes().starts_with(token.as_bytes());
                if holder.as_ref().is_some_and(alike) {
                    return Ok(Vote::granted());
                }
            }
            Some(RemembersEndedHolders) if holder.is_none() => {
                let last = self.store.more().last.get(resource).cloned();
                if last.is_some_and(|last| last != *token) {
                    return Ok(Vote::held_by_another(None));
                }
            }
            Some(AcquireChecksThenActs) if holder.is_none() => {
                tokio::task::yield_now().await;
                locks.evict(resource);
            }
            _ => {}
        }
        let vote = match locks.acquire(resource, token, set).await {
            Err(error)
                if error.kind() == FailureKind::Quarantined && self.has(QuarantineIsARefusal) =>
            {
                Vote::held_by_another(None)
            }
            answer => answer?,
        };
        if vote == Vote::granted() {
            self.store.more().last.insert(resource.clone(), token.clone());
        }
        Ok(match vote {
            Vote::Refused(Refusal::HeldByAnother { .. }) if self.has(RefusalTellsWhatWasAsked) => {
                Vote::held_by_another(Some(ttl.get()))
            }
            vote => vote,
        })
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let locks = &self.store.locks;
        let Some(resource) = self.reach(resource).await? else { return Ok(Vote::not_held()) };
        let (resource, token, set) = (&resource, &self.stored(token), self.set_ttl(ttl));
        if let Some(holder) = self.endless(resource) {
            if holder != *token {
                return Ok(Vote::held_by_another(None));
            }
            if !self.has(ExtendGivesAnEnd) {
                return Ok(Vote::granted());
            }
            self.store.more().endless.remove(resource);
            return locks.acquire(resource, token, ttl).await;
        }
        let holder = self.holder(resource).await?;
        let own = holder.as_ref() == Some(token);
        match self.defect {
            Some(ExtendDoesNothing) if own => return Ok(Vote::granted()),
            Some(ExtendSets) if own => {
                locks.evict(resource);
                return locks.acquire(resource, token, ttl).await;
            }
            Some(ExtendCreates) if holder.is_none() => {
                return locks.acquire(resource, token, ttl).await;
            }
            Some(ExtendIgnoresTheToken) => {
                if let Some(holder) = holder {
                    return locks.extend(resource, &holder, ttl).await;
                }
            }
            Some(ExtendGrantsWhatHasEnded) if self.is_last(resource, token) => {
                locks.extend(resource, token, ttl).await?;
                return Ok(Vote::granted());
            }
            Some(ExtendChecksThenActs) if own => {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                if self.holder(resource).await?.as_ref() != Some(token) {
                    locks.evict(resource);
                    return locks.acquire(resource, token, ttl).await;
                }
            }
            _ => {}
        }
        locks.extend(resource, token, set).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        let locks = &self.store.locks;
        let Some(resource) = self.reach(resource).await? else { return Ok(Vote::not_held()) };
        let (resource, token) = (&resource, &self.stored(token));
        let holder = self.holder(resource).await?;
        match self.defect {
            Some(ReleaseDoesNothing) if holder.as_ref() == Some(token) => {
                return Ok(Vote::granted());
            }
            Some(ReleaseIgnoresTheToken) if holder.is_some() => {
                locks.evict(resource);
                return Ok(Vote::granted());
            }
            Some(ReleaseFailsForWhatIsNotHeld) if holder.is_none() => {
                return Err(self.fails(FailureKind::Other));
            }
            Some(ReleaseGrantsTheLastHolder)
                if holder.is_none() && self.is_last(resource, token) =>
            {
                return Ok(Vote::granted());
            }
            Some(ReleaseChecksThenActs) if holder.as_ref() == Some(token) => {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                locks.evict(resource);
                return Ok(Vote::granted());
            }
            _ => {}
        }
        let vote = locks.release(resource, token).await?;
        if vote == Vote::granted() && self.has(PlainReleasesTell) {
            self.store.tell(resource).await?;
        }
        if vote == Vote::granted() && self.has(RemembersEndedHolders) {
            self.store.more().last.remove(resource);
        }
        Ok(vote)
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        let Some(resource) = &self.reach(resource).await? else { return Ok(Inspection::Free) };
        if let Some(token) = self.endless(resource) {
            return Ok(Inspection::Held { token, remaining: None });
        }
        let found = self.store.locks.inspect(resource).await?;
        Ok(match (self.defect, found) {
            (Some(InspectInventsHolders), Inspection::Free)
                if !self.store.more().last.contains_key(resource) =>
            {
                let token = Token::from_bytes(*b"?").expect("one byte is not none");
                Inspection::Held { token, remaining: None }
            }
            (Some(InspectRounds), Inspection::Held { token, remaining }) => {
                let remaining = remaining.map(|left| Duration::from_secs(left.as_secs()));
                Inspection::Held { token, remaining }
            }
            (Some(InspectExtends), Inspection::Held { token, remaining }) => {
                let ttl = Ttl::new(Duration::from_secs(1)).expect("a second is a ttl");
                self.store.locks.extend(resource, &token, ttl).await?;
                Inspection::Held { token, remaining }
            }
            (_, found) => found,
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Node");
        if self.has(ShowsThePassword) {
            debug.field("password", &PASSWORD);
        }
        debug.finish_non_exhaustive()
    }
}

/// Notices that a call was dropped on its way to the store.
struct Watch<'a> {
    node: &'a Node,
    done: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.done && self.node.has(BreaksWhenACallIsDropped) {
            self.node.broken.store(true, SeqCst);
        }
    }
}

/// Has an acquire carried out some time after it was dropped.
pub(crate) struct Late(Option<(MemoryNode, Resource, Token, Ttl)>);

impl Late {
    fn of(node: &Node, resource: &Resource, token: &Token, ttl: Ttl) -> Self {
        Self::by(node, DroppedAcquiresComeLate, resource, token, ttl)
    }

    pub(crate) fn by(
        node: &Node,
        defect: Defect,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Self {
        let late = node.has(defect);
        Self(late.then(|| (node.store.locks.clone(), resource.clone(), token.clone(), ttl)))
    }

    pub(crate) fn in_time(mut self) {
        self.0 = None;
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some((locks, resource, token, ttl)) = self.0.take() {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                locks.acquire(&resource, &token, ttl).await
            });
        }
    }
}
