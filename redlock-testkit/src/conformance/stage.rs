use std::{
    future::{Future, poll_fn},
    sync::{Arc, LazyLock},
    task::Poll,
    time::Duration,
};

use futures::{FutureExt, channel::oneshot, future::BoxFuture};
use redlock_core::{
    Inspection, LockNode, Moment, NodeError, Refusal, Resource, Runtime, Token, Ttl, Vote,
};

use super::{Lacking, Subject};

/// Where a rule is asked: a subject, and a node of it.
pub(super) struct Stage<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) node: Arc<dyn LockNode>,
    runtime: Arc<dyn Runtime>,
}

/// Why a rule does not hold.
pub(super) enum Stop {
    /// The node does something else.
    Broken(String),
    /// It cannot be asked.
    NotApplicable(String),
}

/// Ends the rule as broken, with a sentence, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($how:tt)*) => {
        if !$condition {
            return Err($crate::conformance::stage::Stop::Broken(format!($($how)*)));
        }
    };
}
pub(super) use ensure;

impl<'a> Stage<'a> {
    pub(super) async fn new(subject: &'a dyn Subject) -> Self {
        Self { subject, node: subject.open().await, runtime: subject.runtime() }
    }

    pub(super) fn now(&self) -> Moment {
        self.runtime.now()
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.runtime.sleep_until(self.now().after(duration)).await;
    }

    /// Acquires for a minute; anything but a grant breaks the rule.
    pub(super) async fn take(&self, resource: &Resource, token: &Token) -> Result<(), Stop> {
        self.take_for(resource, token, *MINUTE).await
    }

    pub(super) async fn take_for(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<(), Stop> {
        let vote = self.node.acquire(resource, token, ttl).await?;
        ensure!(vote == Vote::granted(), "an acquire of what is free was answered with {vote:?}.");
        Ok(())
    }

    /// How much longer the token has the resource, if the node tells; it must have it.
    pub(super) async fn held(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Option<Duration>, Stop> {
        match self.node.inspect(resource).await? {
            Inspection::Held { token: found, remaining } if found == *token => Ok(remaining),
            Inspection::Held { .. } => Err(Stop::Broken("the resource is another token's.".into())),
            Inspection::Free => Err(Stop::Broken("the resource is free.".into())),
        }
    }

    pub(super) async fn free(&self, resource: &Resource) -> Result<(), Stop> {
        let found = self.node.inspect(resource).await?;
        ensure!(found == Inspection::Free, "the resource is not free.");
        Ok(())
    }

    /// Waits until the resource is free; breaks the rule after a while.
    pub(super) async fn wait_until_free(&self, resource: &Resource) -> Result<Moment, Stop> {
        let end = self.now().after(LATE);
        loop {
            let free = self.node.inspect(resource).await? == Inspection::Free;
            let now = self.now();
            if free {
                return Ok(now);
            }
            ensure!(now < end, "the lock is still there {LATE:?} later.");
            self.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs all of them at once, in tasks of their own.
    pub(super) async fn at_once<T: Send + 'static>(
        &self,
        calls: impl IntoIterator<Item = BoxFuture<'static, T>>,
    ) -> Result<Vec<T>, Stop> {
        let mut answers = Vec::new();
        for call in calls {
            let (sender, answer) = oneshot::channel();
            // If nobody waits any more, nobody needs it.
            let task = call.map(move |result| drop(sender.send(result)));
            let spawned = self.runtime.spawn(task.boxed());
            spawned.map_err(|error| Stop::Broken(error.to_string()))?;
            answers.push(answer);
        }
        let all = futures::future::try_join_all(answers).await;
        all.map_err(|_| Stop::Broken("a task ended without an answer.".into()))
    }
}

impl From<NodeError> for Stop {
    fn from(error: NodeError) -> Self {
        Self::Broken(format!("a call failed: {error}."))
    }
}

impl From<Lacking> for Stop {
    fn from(lacking: Lacking) -> Self {
        Self::NotApplicable(lacking.to_string())
    }
}

/// A refusal because of another holder, with what it tells of how much longer.
pub(super) fn refused(vote: Vote) -> Result<Option<Duration>, Stop> {
    match vote {
        Vote::Refused(Refusal::HeldByAnother { remaining, .. }) => Ok(remaining),
        other => Err(Stop::Broken(format!("another's lock was answered with {other:?}."))),
    }
}

/// Judges a remaining lifetime that was read after a ttl of this length had been set, `elapsed`
/// ago at the most.
pub(super) fn plausible(left: Duration, ttl: Ttl, elapsed: Duration) -> Result<(), Stop> {
    let (least, most) = (ttl.get().saturating_sub(elapsed + READING), ttl.get() + READING);
    ensure!(
        (least..=most).contains(&left),
        "{left:?} are left of {:?}, at most {elapsed:?} later.",
        ttl.get()
    );
    Ok(())
}

/// What a node that does not tell remaining lifetimes cannot be asked.
pub(super) fn untold() -> Stop {
    Stop::NotApplicable("the node does not tell remaining lifetimes".into())
}

pub(super) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls the future at most so many times, each time when it has been woken, and then drops it.
pub(super) async fn poll_at_most<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(move |context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

pub(super) fn resource(name: impl Into<Arc<str>>) -> Resource {
    Resource::new(name).expect("the names in this suite are not empty")
}

pub(super) fn token(bytes: impl AsRef<[u8]>) -> Token {
    Token::from_bytes(bytes.as_ref()).expect("the tokens in this suite are not empty")
}

pub(super) fn ttl(duration: Duration) -> Ttl {
    Ttl::new(duration).expect("the lifetimes in this suite are between a millisecond and a century")
}

pub(super) fn millis(millis: u64) -> Ttl {
    ttl(Duration::from_millis(millis))
}

pub(super) static MINUTE: LazyLock<Ttl> = LazyLock::new(|| millis(60_000));

/// How much later than its ttl a lock may end: stores forget at leisure, and machines are busy.
const LATE: Duration = Duration::from_secs(20);

/// By how much two readings of lifetimes may be apart: stores count in whole milliseconds, and
/// their clocks are corrected now and then.
const READING: Duration = Duration::from_millis(3);

/// How often a busy machine may miss the moment.
pub(super) const ATTEMPTS: u32 = 10;
