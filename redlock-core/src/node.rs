//! The port to a store: [`LockNode`], its contract, and what goes over it.

mod accord;
mod fencing;
mod notifications;
mod prefixed;
mod sets;
mod survey;
mod witness;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub(crate) use self::prefixed::KeyPrefix;
pub use self::{
    accord::Accord,
    fencing::Fencing,
    notifications::{Announced, Notifications},
    sets::Sets,
    survey::{Cursor, Held, Page, Survey},
    witness::{ClockStep, StepDirection, Witness},
};
use crate::proto::{Delivery, Failure, FailureKind, Inspection, Resource, Token, Ttl, Vote};

/// One independent store that votes on who holds a lock: a Redis server, a table, a map.
///
/// A node speaks intents, not commands. What it answers is a [`Vote`], a value; only what kept it
/// from answering is a [`NodeError`].
///
/// # Contract
///
/// What the proofs of the lock lean on; the conformance suite of `redlock-testkit` asks each point.
///
/// * Each call is **atomic** on the node.
/// * [`acquire`](Self::acquire) grants when the resource is free *or already held by this very
///   token*. Then the expiry of the first grant stands, so a reply that was lost on the wire and
///   a request repeated by a client library are not mistaken for another holder.
/// * [`extend`](Self::extend) makes the lifetime *at least* the given ttl from now. It never
///   shortens and never creates.
/// * [`release`](Self::release) deletes only under its own token. Releasing what is not held is a
///   refusal, not an error.
/// * A key of this name that no lock made is somebody else's: never overwritten, never deleted.
/// * An adapter **never retries** on its own beyond reconnecting: one call, at most one execution.
/// * **Dropping the future** of a call leaves the connection usable and the outcome unknown. A
///   later call for the same token is not carried out before an earlier one whose future finished
///   with an answer.
/// * The ttl is honoured to the millisecond: the key is there for at least that long.
/// * Tokens are arbitrary bytes and resources arbitrary text; neither is ever pasted into a script.
///
/// A call may take as long as it likes: the lock has its own node timeout, and goes on without
/// this node's vote.
///
/// # Implementing a node
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use redlock_core::{
///     Accord, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Resource, Sets,
///     Survey, Token, Ttl, Vote, Witness, async_trait,
/// };
///
/// /// Keeps locks for ever: enough to show the shape.
/// #[derive(Debug, Default)]
/// struct Forever(Mutex<HashMap<Resource, Token>>);
///
/// #[async_trait]
/// impl LockNode for Forever {
///     fn label(&self) -> &str {
///         "forever"
///     }
///
///     fn identity(&self) -> Option<Identity> {
///         None
///     }
///
///     fn notifications(&self) -> Option<&dyn Notifications> {
///         None
///     }
///
///     fn fencing(&self) -> Option<&dyn Fencing> {
///         None
///     }
///
///     fn sets(&self) -> Option<&dyn Sets> {
///         None
///     }
///
///     fn survey(&self) -> Option<&dyn Survey> {
///         None
///     }
///
///     fn witness(&self) -> Option<&dyn Witness> {
///         None
///     }
///
///     fn accord(&self) -> Option<&dyn Accord> {
///         None
///     }
///
///     async fn acquire(&self, resource: &Resource, token: &Token, _: Ttl) -> Result<Vote, NodeError> {
///         let mut held = self.0.lock().expect("nothing panics under this lock");
///         let holder = held.entry(resource.clone()).or_insert_with(|| token.clone());
///         Ok(if holder == token { Vote::granted() } else { Vote::held_by_another(None) })
///     }
///
///     async fn extend(&self, resource: &Resource, token: &Token, _: Ttl) -> Result<Vote, NodeError> {
///         let held = self.0.lock().expect("nothing panics under this lock");
///         Ok(match held.get(resource) {
///             Some(holder) if holder == token => Vote::granted(),
///             Some(_) => Vote::held_by_another(None),
///             None => Vote::not_held(),
///         })
///     }
///
///     async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
///         let mut held = self.0.lock().expect("nothing panics under this lock");
///         Ok(match held.get(resource) {
///             Some(holder) if holder == token => {
///                 held.remove(resource);
///                 Vote::granted()
///             }
///             Some(_) => Vote::held_by_another(None),
///             None => Vote::not_held(),
///         })
///     }
///
///     async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
///         let held = self.0.lock().expect("nothing panics under this lock");
///         Ok(match held.get(resource) {
///             Some(holder) => Inspection::Held { token: holder.clone(), remaining: None },
///             None => Inspection::Free,
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait LockNode: fmt::Debug + Send + Sync + 'static {
    /// The name of this node in errors and logs: stable, and free of credentials.
    fn label(&self) -> &str;

    /// What tells the store behind this node from any other, as far as this node has learnt it.
    ///
    /// Two nodes of one redlock with the same identity are refused: one store would have two
    /// votes. `None` while it is not known, or if the store has nothing of the kind. Asked at each
    /// grant, so it must be cheap: what the last connection told, not a request.
    fn identity(&self) -> Option<Identity>;

    /// The node as one that tells of releases, if it can.
    ///
    /// Without that, whoever waits for a resource looks again by the retry policy, and when the
    /// holder's time is over.
    fn notifications(&self) -> Option<&dyn Notifications>;

    /// The node as one that counts holders, if it can.
    ///
    /// Without that on every node, locks cannot have [fencing tokens](Fencing), and asking for them
    /// is an error.
    fn fencing(&self) -> Option<&dyn Fencing>;

    /// The node as one that takes several resources at once, if it can.
    ///
    /// Without that on every node, [locking a set](Sets) is an error.
    fn sets(&self) -> Option<&dyn Sets>;

    /// The node as one whose locks can be listed and reset, if it can.
    ///
    /// Without that, both are an error, for this node alone.
    fn survey(&self) -> Option<&dyn Survey>;

    /// The node as one that tells what it has noticed of its store, if it looks.
    ///
    /// Without that, nobody is warned of a store that forgets, nor of one whose clock was set, and
    /// the votes of the latter are counted.
    fn witness(&self) -> Option<&dyn Witness>;

    /// The node as one that keeps what its clients agree on, if it can.
    ///
    /// Without that on every node, [asking for an agreement](crate::RedlockBuilder::agreement) is an
    /// error.
    fn accord(&self) -> Option<&dyn Accord>;

    /// Takes the resource for this token if it is free or already this token's.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError>;

    /// Keeps the resource for this token for at least `ttl` from now, if the token has it.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn extend(&self, resource: &Resource, token: &Token, ttl: Ttl)
    -> Result<Vote, NodeError>;

    /// Gives the resource up if this token has it.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError>;

    /// Tells who has the resource on this node, changing nothing.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the node did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError>;
}

/// What tells one store from another: for Redis, the `run_id` of the server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(u128);

impl Identity {
    /// An identity of 128 bits, as unique as a random number of that size.
    #[must_use]
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }
}

/// Why a node gave no answer that can be counted.
///
/// Reads as one sentence: which node, what happened, and why as far as the source tells.
#[derive(Clone, Debug)]
pub struct NodeError {
    label: Arc<str>,
    failure: Failure,
    /// After how long it happened, or for how much longer it lasts.
    time: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl NodeError {
    /// The failure of the node with this label.
    ///
    /// Its delivery is taken as [`Delivery::Unknown`] until
    /// [`with_delivery`](Self::with_delivery) says otherwise: the node is then asked to release
    /// whatever it may hold.
    #[must_use]
    pub fn new(label: impl Into<Arc<str>>, kind: FailureKind) -> Self {
        let failure = Failure { kind, delivery: Delivery::Unknown };
        Self { label: label.into(), failure, time: None, source: None }
    }

    /// The node with this label let the time for its answer pass.
    #[must_use]
    pub fn timed_out(label: impl Into<Arc<str>>, after: Duration) -> Self {
        Self { time: Some(after), ..Self::new(label, FailureKind::TimedOut) }
    }

    /// The node with this label has restarted, and does not vote for so long more; it did not do
    /// what it was asked.
    #[must_use]
    pub fn quarantined(label: impl Into<Arc<str>>, remaining: Duration) -> Self {
        let error = Self { time: Some(remaining), ..Self::new(label, FailureKind::Quarantined) };
        error.with_delivery(Delivery::Refused)
    }

    /// With what is known about whether the node may have carried out the request.
    #[must_use]
    pub const fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.failure.delivery = delivery;
        self
    }

    /// With the error of the client library, which must not show credentials.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// The label of the node.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.failure.kind
    }

    /// Whether the node may have carried out the request all the same.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        self.failure.delivery
    }

    /// The error of the client library, if there is one: to be looked into, or downcast.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }

    /// For how much longer the node is in quarantine, if that is what is wrong.
    #[must_use]
    pub const fn quarantine(&self) -> Option<Duration> {
        match self.failure.kind {
            FailureKind::Quarantined => self.time,
            _ => None,
        }
    }

    /// What the rules of the lock care about.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label, self.failure.kind)?;
        match (self.time, self.failure.kind) {
            (Some(remaining), FailureKind::Quarantined) => {
                // Rounded up: when it is over, it is over.
                let seconds = remaining.as_nanos().div_ceil(1_000_000_000);
                write!(f, " for {seconds} s more: it restarted, and may have forgotten locks")?;
            }
            (Some(after), _) if after.subsec_nanos() % 1_000_000 == 0 => {
                write!(f, " after {} ms", after.as_millis())?;
            }
            (Some(after), _) => write!(f, " after {after:?}")?,
            (None, _) => {}
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl Error for NodeError {
    /// What lies behind the [`cause`](Self::cause), which the message of this error has already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().and_then(Error::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_error_reads_as_a_sentence() {
        let refused = std::io::Error::other("connection refused");
        let error = NodeError::new("d", FailureKind::Unreachable)
            .with_delivery(Delivery::NotSent)
            .with_source(refused);
        assert_eq!(error.to_string(), "d unreachable: connection refused");
        assert_eq!(error.cause().unwrap().to_string(), "connection refused");
        assert!(error.source().is_none(), "the message has it already");
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!(error.label(), "d");

        let late = NodeError::timed_out("e", Duration::from_millis(50));
        assert_eq!(late.to_string(), "e timed out after 50 ms");
        assert_eq!(
            late.failure(),
            Failure { kind: FailureKind::TimedOut, delivery: Delivery::Unknown }
        );
        assert!(late.cause().is_none());
        assert!(late.quarantine().is_none());

        let remaining = Duration::from_millis(11_200);
        let restarted = NodeError::quarantined("a", remaining);
        assert_eq!(
            restarted.to_string(),
            "a is in quarantine for 12 s more: it restarted, and may have forgotten locks"
        );
        assert_eq!(restarted.quarantine(), Some(remaining));
        assert_eq!(restarted.delivery(), Delivery::Refused);
    }
}
