use std::{
    fmt,
    future::ready,
    mem,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, Shared, WeakShared, select},
};

use super::{
    attempt,
    error::Error,
    guard::Guard,
    handle::Lock,
    queue::Turn,
    release::Release,
    report::{Action, Report},
    settings::Terms,
    signal::Signal,
};
use crate::proto::{Moment, Tally};

/// An owner of a lock who may take it again while he has it. Made by [`Lock::reentrant`].
///
/// Each acquire hands out one more guard of the same hold, and the last of them to go releases it.
/// Who the owner is, is this value and its clones, and nothing hidden: no thread, no task. Pass it to
/// those who belong together; whoever has another one, or acquires from the [`Lock`] itself,
/// competes with it.
///
/// A hold that is lost is not revived. While guards of it are left, acquiring is
/// [`Error::Lost`], for whoever has them still believes in it; once they are gone, the next acquire
/// begins a new hold with a token of its own.
#[derive(Clone)]
pub struct Reentrant {
    lock: Lock,
    owner: Arc<Mutex<Owner>>,
}

/// One of the guards of a [`Reentrant`] owner. It reads like the [`Guard`] that they share.
///
/// Dropped as the last one, it releases in the background.
#[must_use = "the last guard that is dropped releases the lock at once"]
pub struct ReentrantGuard {
    held: Arc<Held>,
}

/// What the owner has, without keeping it.
#[derive(Default)]
struct Owner {
    held: Weak<Held>,
    /// The attempt that may be under way. Those who want the lock meanwhile join it.
    attempt: Option<WeakShared<Attempt>>,
    /// For those who wait until he asks for it.
    news: Signal,
}

type Attempt = BoxFuture<'static, Result<Arc<Held>, Error>>;

impl Owner {
    /// The attempt that can be joined. One that has failed may still be there, for those who have
    /// yet to hear of it.
    fn under_way(&self) -> Option<Shared<Attempt>> {
        let attempt = self.attempt.as_ref().and_then(WeakShared::upgrade);
        attempt.filter(|attempt| attempt.peek().is_none())
    }
}

struct Held {
    guard: Guard,
    /// One extension at a time (R33).
    extending: futures::lock::Mutex<()>,
}

impl Lock {
    /// An owner who may acquire this lock again while he has it, with the settings of this lock.
    #[must_use]
    pub fn reentrant(&self) -> Reentrant {
        Reentrant { lock: self.clone(), owner: Arc::default() }
    }
}

impl Reentrant {
    /// One more guard if the owner has the lock; tries once if he has not.
    ///
    /// # Errors
    ///
    /// Those of [`Lock::try_acquire`]; [`Error::Lost`] while there are guards of a hold that is
    /// lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken for this call alone is released in the background.
    pub async fn try_acquire(&self) -> Result<ReentrantGuard, Error> {
        let terms = self.lock.terms()?;
        let turn = Turn::enter_alone(&self.lock.shared().queues, &terms.resources);
        let seeking = terms.quest.begin();
        seeking.end(self.once(&terms, None, turn).await, Error::why_given_up)
    }

    /// One more guard if the owner has the lock; tries as [`Lock::acquire`] does if he has not.
    ///
    /// # Errors
    ///
    /// Those of [`Lock::acquire`]; [`Error::Lost`] while there are guards of a hold that is lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken for this call alone is released in the background.
    pub async fn acquire(&self) -> Result<ReentrantGuard, Error> {
        self.acquire_by(self.lock.patience()).await
    }

    /// One more guard if the owner has the lock; tries as [`Lock::acquire_within`] does if he has
    /// not.
    ///
    /// # Errors
    ///
    /// Those of [`Lock::acquire_within`]; [`Error::Lost`] while there are guards of a hold that is
    /// lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, whatever was taken for this call alone is released in the background.
    pub async fn acquire_within(&self, patience: Duration) -> Result<ReentrantGuard, Error> {
        self.acquire_by(Some(patience)).await
    }

    async fn acquire_by(&self, patience: Option<Duration>) -> Result<ReentrantGuard, Error> {
        let terms = self.lock.terms()?;
        let seeking = terms.quest.begin();
        if let Some(held) = self.held() {
            return seeking
                .end(held.guard.check().map(|()| ReentrantGuard { held }), Error::why_given_up);
        }
        let once = |deadline, turn| self.once(&terms, deadline, turn);
        let persistence = self.lock.persistence(&terms, patience);
        let done = persistence.persist(once, || self.until_begun()).await;
        seeking.end(done, Error::why_given_up)
    }

    fn held(&self) -> Option<Arc<Held>> {
        lock(&self.owner).held.upgrade()
    }

    /// Completes when the owner has the lock or asks for it: whoever waits for his turn then joins.
    fn until_begun(&self) -> BoxFuture<'static, ()> {
        let mut owner = lock(&self.owner);
        let held = owner.held.upgrade();
        let attempt = owner.under_way();
        let begun = held.is_some() || attempt.is_some();
        let news = if begun { ready(()).boxed() } else { owner.news.subscribe().boxed() };
        drop(owner);
        drop((held, attempt));
        news
    }

    async fn once(
        &self,
        terms: &Terms,
        deadline: Option<Moment>,
        turn: Option<Turn>,
    ) -> Result<ReentrantGuard, Error> {
        let attempt = match self.held_or_attempt(terms, deadline, turn) {
            Ok(held) => {
                held.guard.check()?;
                return Ok(ReentrantGuard { held });
            }
            Err(attempt) => attempt,
        };
        let Some(deadline) = deadline else {
            return attempt.await.map(|held| ReentrantGuard { held });
        };
        // An attempt that was joined may have been given more time.
        let shared = self.lock.shared();
        let begun = shared.now();
        match select(attempt, shared.runtime.sleep_until(deadline)).await {
            Either::Left((done, _)) => done.map(|held| ReentrantGuard { held }),
            Either::Right(_) => {
                let nothing = Tally::new(shared.quorum);
                let (action, patience) = (Action::Acquire, deadline.since(begun));
                let report =
                    Report::new(shared, action, &terms.resources, nothing, Vec::new(), patience);
                Err(Error::Unavailable(Box::new(report)))
            }
        }
    }

    /// What the owner has; or the attempt to get it, which is begun unless it is under way.
    ///
    /// It lives for as long as somebody waits for it, whoever began it: the last one who gives up
    /// drops it, and so has it cleaned up.
    fn held_or_attempt(
        &self,
        terms: &Terms,
        deadline: Option<Moment>,
        turn: Option<Turn>,
    ) -> Result<Arc<Held>, Shared<Attempt>> {
        let mut owner = lock(&self.owner);
        if let Some(held) = owner.held.upgrade() {
            return Ok(held);
        }
        if let Some(attempt) = owner.under_way() {
            return Err(attempt);
        }
        let (shared, terms) = (Arc::clone(self.lock.shared()), terms.clone());
        let mine = Arc::clone(&self.owner);
        let attempt = async move {
            let guard = attempt::acquire(&shared, &terms, deadline, turn).await?;
            let held = Arc::new(Held { guard, extending: futures::lock::Mutex::new(()) });
            lock(&mine).held = Arc::downgrade(&held);
            Ok(held)
        };
        let attempt = attempt.boxed().shared();
        owner.attempt = attempt.downgrade();
        let news = mem::take(&mut owner.news);
        drop(owner);
        // Nobody knows what those do who are woken.
        drop(news);
        Err(attempt)
    }
}

impl ReentrantGuard {
    /// Extends the lock, for all guards of this owner: [`Guard::extend`]. Waits while another of
    /// them does.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::extend`].
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the lock is held as before, until its old end.
    pub async fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
        let _alone = self.held.extending.lock().await;
        self.held.guard.extend_alone(ttl).await
    }

    /// Gives this guard up. The last one gives up the lock, and says what came of it; with others
    /// left, that is `None`, and no node is asked.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, the rest is done in the background.
    pub async fn release(self) -> Option<Release> {
        // Of two who do this at once, one is told that he is the last.
        match Arc::into_inner(self.held) {
            Some(held) => Some(held.guard.release().await),
            None => None,
        }
    }

    /// How many guards of this hold there are, this one included. For others may come and go
    /// meanwhile, a number to be shown, not to be relied on.
    #[must_use]
    pub fn depth(&self) -> usize {
        Arc::strong_count(&self.held)
    }
}

impl Deref for ReentrantGuard {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.held.guard
    }
}

impl fmt::Debug for Reentrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reentrant").field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReentrantGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReentrantGuard")
            .field("guard", &self.held.guard)
            .field("depth", &self.depth())
            .finish()
    }
}

/// No invariant spans a panic here. No guard is dropped while it is locked, which would wake others.
fn lock(owner: &Mutex<Owner>) -> MutexGuard<'_, Owner> {
    owner.lock().unwrap_or_else(PoisonError::into_inner)
}
