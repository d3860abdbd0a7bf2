use std::{
    fmt,
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::FutureExt;

use super::{
    attempt,
    error::Error,
    guard::Guard,
    persist::Persistence,
    quest::Quest,
    queue::Turn,
    settings::{Proof, Terms, Wishes},
    shared::Shared,
};
use crate::{ConfigError, Lease, Owner, Renewal, ResourceSet, Retry, Token};

/// A resource, or [several](super::Redlock::lock_all), and how to lock it. Made by
/// [`Redlock::lock`](super::Redlock::lock), changed by its setters, cheap to clone and to throw away.
///
/// Its setters check nothing: what cannot be, alone or together, is the [`Error::Config`] of
/// whichever call comes first that is to acquire.
///
/// It holds nothing itself. Acquiring twice from one `Lock` makes two competitors, as it would
/// from two; for code that may call itself there is [`reentrant`](Self::reentrant).
#[derive(Clone)]
pub struct Lock {
    shared: Arc<Shared>,
    resources: Result<ResourceSet, ConfigError>,
    wishes: Wishes,
    retry: Retry,
    patience: Option<Duration>,
    owner: Result<Option<Owner>, ConfigError>,
}

impl Lock {
    pub(super) fn new(shared: &Arc<Shared>, resources: Result<ResourceSet, ConfigError>) -> Self {
        let (wishes, retry) = (shared.settings.wishes, shared.settings.retry);
        let owner = Ok(shared.owner.clone());
        Self { shared: Arc::clone(shared), resources, wishes, retry, patience: None, owner }
    }

    /// With this ttl: how long nodes keep the lock if nobody releases it.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.wishes.ttl = ttl;
        self
    }

    /// With this renewal: whether the lock is extended by itself while it is held, and how often.
    #[must_use]
    pub const fn renewal(mut self, renewal: Renewal) -> Self {
        self.wishes.renewal = renewal;
        self
    }

    /// Held for no longer than this in all, however often it is extended; then it is
    /// [lost](crate::LossReason::HeldTooLong). At least the ttl; [`Duration::MAX`] is for ever.
    #[must_use]
    pub const fn max_hold(mut self, max_hold: Duration) -> Self {
        self.wishes.max_hold = Some(max_hold);
        self
    }

    /// Held for at least this long, counted from the request: released earlier, it is over for its
    /// holder, but nodes keep it until then. At most the ttl.
    ///
    /// So a job that is done sooner than clocks differ is not done again by a peer whose schedule
    /// says now a little later. A server whose clock runs fast keeps a lock that is held at least
    /// for its whole ttl shorter by no more than the [drift](super::RedlockBuilder::drift). If the
    /// process ends before that time, nodes keep the lock until its ttl is over.
    #[must_use]
    pub const fn hold_at_least(mut self, hold_at_least: Duration) -> Self {
        self.wishes.hold_at_least = hold_at_least;
        self
    }

    /// With a [fencing token](Lease::fencing_token), or without.
    #[must_use]
    pub const fn fencing(mut self, fencing: bool) -> Self {
        self.wishes.fencing = fencing;
        self
    }

    /// With this word on who has the lock: host, process, purpose. 1 to 128 visible ASCII
    /// characters; another is told by whichever of the lock's calls comes first. It
    /// [rides in the token](super::RedlockBuilder::owner).
    #[must_use]
    pub fn owner<O>(mut self, owner: O) -> Self
    where
        O: TryInto<Owner>,
        O::Error: Into<ConfigError>,
    {
        self.owner = owner.try_into().map(Some).map_err(Into::into);
        self
    }

    /// With this policy of when [`acquire`](Self::acquire) tries again, and how often.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With this patience: [`acquire`](Self::acquire) becomes
    /// [`acquire_within`](Self::acquire_within).
    #[must_use]
    pub const fn wait(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Tries once, also if others of this process wait for the lock: it asks the nodes beside them.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] if somebody else holds the lock, [`Error::Unavailable`] if so many
    /// nodes failed that no quorum was left, [`Error::TooSlow`] if nothing of the validity was;
    /// [`Error::Config`], [`Error::NoRuntime`] or [`Error::Random`] before any node is asked.
    ///
    /// And two that are rare, after which the lock has been given up again:
    /// [`Error::FenceRegression`], and [`ConfigError::SameServer`], which only nodes can tell.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken is released in the background.
    pub async fn try_acquire(&self) -> Result<Guard, Error> {
        let terms = self.terms()?;
        let turn = Turn::enter_alone(&self.shared.queues, &terms.resources);
        let seeking = terms.quest.begin();
        let done = attempt::acquire(&self.shared, &terms, None, turn).await;
        seeking.end(done, Error::why_given_up)
    }

    /// Tries once, with this very token: one that something else knows or has to know, made by
    /// [`Token::from_bytes`]. The [`owner`](Self::owner) of the lock is not put into it.
    ///
    /// Whoever sets the token answers for what the library otherwise does:
    ///
    /// * **Another token for each attempt**, the next one after a failure included; that is why
    ///   there is no way to wait with one. A release of the first attempt may still be under way
    ///   when the second is granted, and would take its votes away (requirement R14).
    /// * **Never one token for two holders**: each would be granted what the other has.
    /// * **Nobody can guess it**, or whoever does can release the lock.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Self::try_acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken is released in the background.
    pub async fn try_acquire_as(&self, token: Token) -> Result<Guard, Error> {
        let terms = Terms { proof: Proof::Given(token), ..self.terms()? };
        let turn = Turn::enter_alone(&self.shared.queues, &terms.resources);
        let seeking = terms.quest.begin();
        let done = attempt::acquire(&self.shared, &terms, None, turn).await;
        seeking.end(done, Error::why_given_up)
    }

    /// Tries by the [`retry`](Self::retry) policy, or for as long as [`wait`](Self::wait) says.
    ///
    /// Those who wait in this process have their turns in the order in which they came. Whose turn it
    /// is asks again when the nodes tell of a release, when the holder's time is over, or when the
    /// policy's pause is, whichever is first. Each pause that passes counts as an attempt of the
    /// policy, also while others have their turns; so it may end with [`Error::Contended`] although
    /// no node was asked, as its report then says.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Self::try_acquire), of the last attempt: it goes on after
    /// [`Error::Contended`], [`Error::Unavailable`] and [`Error::TooSlow`], and ends at once with any
    /// other. With a [`wait`](Self::wait) those of [`acquire_within`](Self::acquire_within).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken is released in the background.
    pub async fn acquire(&self) -> Result<Guard, Error> {
        self.acquire_by(self.patience).await
    }

    /// Tries for at most this long, however many attempts that takes, with the pauses of the
    /// [`retry`](Self::retry) policy. With a patience of zero it tries once.
    ///
    /// The patience counts from the call and nothing restarts it. The last attempt begins while
    /// there is still time for the nodes to answer: half of the patience, or the node timeout if
    /// that is less. It ends the waiting, so that may be over by as much before the patience is.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with the failure of the last attempt, which is one of the three that
    /// [`acquire`](Self::acquire) goes on after; any other at once, as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken is released in the background.
    pub async fn acquire_within(&self, patience: Duration) -> Result<Guard, Error> {
        self.acquire_by(Some(patience)).await
    }

    /// Acquires, runs `body`, and releases, whatever happens inside.
    ///
    /// The body is polled only while the lock is held; if its validity ends first, the body is
    /// dropped where it stands. What came of the release is not told: who wants to know that
    /// acquires, and [releases](Guard::release) the guard himself.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Self::acquire), in which case the body was not run;
    /// [`Error::Lost`] if the lock was lost before the body had ended.
    ///
    /// # Panics
    ///
    /// If the body does; the lock is then released in the background.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the body is dropped and the lock released in the background.
    pub async fn run<T, F>(&self, body: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(Lease) -> T,
    {
        let guard = self.acquire().await?;
        let done = {
            let mut end = guard.loss().ended();
            let mut body = pin!(body(guard.lease()));
            std::future::poll_fn(|cx| {
                // The clock first: after a pause of the process it may be too late for even one
                // more poll of the body.
                if guard.is_valid()
                    && let Poll::Ready(value) = body.as_mut().poll(cx)
                {
                    // The last poll of the body may have outlasted the lock.
                    return Poll::Ready(guard.check().map(|()| value));
                }
                end.poll_unpin(cx).map(|ending| Err(guard.ended_by(ending)))
            })
            .await
        };
        match done {
            Ok(value) => {
                guard.release().await;
                Ok(value)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn terms(&self) -> Result<Terms, ConfigError> {
        let mut terms = self.shared.settings.terms(self.resources.clone()?, self.wishes)?;
        terms.proof = Proof::Fresh(self.owner.clone()?);
        self.shared.together(&terms.resources)?;
        if terms.fencing && terms.resources.only().is_none() {
            return Err(ConfigError::FencedSet { resources: terms.resources.len() });
        }
        let Shared { onlookers, runtime, .. } = &*self.shared;
        terms.quest = Quest::new(onlookers, runtime, &terms.resources);
        self.shared.uncounted(self.wishes).map_or(Ok(terms), Err)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) const fn patience(&self) -> Option<Duration> {
        self.patience
    }

    async fn acquire_by(&self, patience: Option<Duration>) -> Result<Guard, Error> {
        let terms = self.terms()?;
        let once = |deadline, turn| attempt::acquire(&self.shared, &terms, deadline, turn);
        let seeking = terms.quest.begin();
        let done = self.persistence(&terms, patience).persist(once, || pending().boxed()).await;
        seeking.end(done, Error::why_given_up)
    }

    /// How this lock's settings want attempts to be made.
    pub(super) const fn persistence<'a>(
        &'a self,
        terms: &'a Terms,
        patience: Option<Duration>,
    ) -> Persistence<'a> {
        Persistence {
            shared: &self.shared,
            terms,
            retry: self.retry,
            patience,
            at_least_every: None,
            goes_on_after: Error::is_worth_a_retry,
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("resources", &self.resources)
            .field("ttl", &self.wishes.ttl)
            .field("retry", &self.retry)
            .field("patience", &self.patience)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
