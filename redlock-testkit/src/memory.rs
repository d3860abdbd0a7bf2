//! The reference implementation of the port: [`MemoryNode`].

mod board;
mod controls;
mod notices;
mod quarantine;
mod state;
mod unable;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::channel::oneshot;
use redlock_core::{
    ClockStep, Delivery, FailureKind, Identity, Moment, NodeError, Resource, Runtime,
};

pub use self::controls::{CallCounts, Key};
use self::{
    board::Mail,
    state::{Done, Health, State},
};
use crate::{
    command::{Answer, Command},
    inbox::{Inbox, Mailbox},
    port::asked_in_commands,
};

/// A node that keeps its locks in the memory of this process: the reference implementation of
/// [`LockNode`](redlock_core::LockNode), with everything that can happen to a server at the push of
/// a button.
///
/// It behaves like one Redis server: keys die by its own clock, which counts in whole milliseconds
/// and can be [stepped](Self::step_clock_forward) or [run too fast](Self::clock_rate); it can
/// [crash](Self::crash) and [come back](Self::restart) with its data or
/// [without](Self::crash_and_forget), and it can [hang](Self::hang). Expiry follows the clock of
/// the [`Runtime`] that it was made with, so in paused or simulated time nothing is ever slept for.
///
/// It tells those who have subscribed of releases, until it is [mute](Self::mute) or they are
/// [forbidden](Self::forbid_notices); its notices can be [lost](Self::lose_notices),
/// [repeated](Self::repeat_notices) and [held back](Self::hold_notices).
///
/// It [counts](redlock_core::Fencing) holders, in counters that outlive their keys and can be
/// [seen](Self::counter), [lost](Self::forget_counter) and
/// [left to expire](Self::keep_counters_for); or it [cannot](Self::stop_counting). Counters begin at
/// what its clock shows in microseconds since 1970: late in 2025, when the node is made.
///
/// It takes [several resources](redlock_core::Sets) at once; or it
/// [cannot](Self::take_one_at_a_time).
///
/// After a restart it may have forgotten locks; whether it votes all the same is its
/// [`RestartPolicy`](Self::restart_policy), and whether it [says so](Self::tell_of_restarts) is up to
/// the test, as is whether it [notices](Self::notice_clock_steps) that its clock is stepped.
///
/// Clones are handles to the same node. Give one to the redlock and keep one to look at it.
///
/// ```
/// use redlock_core::{LockNode, Resource, Token, Ttl, Vote};
/// use redlock_testkit::{MemoryNode, SimRuntime};
///
/// let sim = SimRuntime::new(1);
/// let node = MemoryNode::new("a", sim.shared());
/// let (orders, token) = (Resource::new("orders")?, Token::from_bytes(*b"t")?);
/// let ttl = Ttl::new(std::time::Duration::from_secs(10))?;
///
/// let vote = sim.block_on(node.acquire(&orders, &token, ttl)).unwrap();
/// assert_eq!(vote, Vote::granted());
/// assert_eq!(node.keys()[0].token, token);
///
/// sim.advance(ttl.get() * 2);
/// assert!(node.keys().is_empty(), "nobody released it, so its time ran out");
/// # Ok::<(), redlock_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct MemoryNode(Arc<Shared>);

struct Shared {
    label: Arc<str>,
    /// Different for each node of this process.
    number: u64,
    runtime: Arc<dyn Runtime>,
    state: std::sync::Mutex<State>,
}

impl MemoryNode {
    /// An empty node whose clock starts with that of `runtime`.
    #[must_use]
    pub fn new(label: impl Into<Arc<str>>, runtime: Arc<dyn Runtime>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let state = State::new(runtime.now());
        Self(Arc::new(Shared {
            label: label.into(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            runtime,
            state: std::sync::Mutex::new(state),
        }))
    }

    /// An empty node on tokio's clock, which a test may pause and advance.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn named(label: impl Into<Arc<str>>) -> Self {
        Self::new(label, Arc::new(redlock_core::TokioRuntime::new()))
    }

    /// Empty nodes on tokio's clock: `node-1`, `node-2` and so on.
    ///
    /// ```
    /// let nodes = redlock_testkit::MemoryNode::cluster(3);
    /// assert_eq!(nodes.len(), 3);
    /// ```
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn cluster(nodes: usize) -> Vec<Self> {
        (1..=nodes).map(|number| Self::named(format!("node-{number}"))).collect()
    }

    /// The node receives a command. Unless it hangs, it carries it out and replies before this
    /// returns; the reply is on its way whether anybody waits for it or not.
    pub(crate) fn submit(
        &self,
        command: Command,
        reply: impl FnOnce(Result<Answer, NodeError>) + Send + 'static,
    ) {
        match self.try_execute(command) {
            Ok(result) => reply(result),
            Err(command) => self.state().wait(command, Box::new(reply)),
        }
    }

    async fn call(&self, command: Command) -> Result<Answer, NodeError> {
        let command = match self.try_execute(command) {
            Ok(result) => return result,
            Err(command) => command,
        };
        let (sender, answer) = oneshot::channel();
        // A caller that has gone needs no answer.
        self.submit(command, move |result| drop(sender.send(result)));
        match answer.await {
            Ok(result) => result,
            // The node has been dropped with the call still waiting.
            Err(oneshot::Canceled) => Err(self.closed()),
        }
    }

    /// The command itself, if the node hangs.
    fn try_execute(&self, command: Command) -> Result<Result<Answer, NodeError>, Command> {
        let now = self.now();
        let done = {
            let mut state = self.state();
            match state.health() {
                Health::Up => state.execute(command, now),
                Health::Hung => return Err(command),
                Health::Down => {
                    let error = self.fails(FailureKind::Unreachable);
                    return Ok(Err(error.with_delivery(Delivery::NotSent)));
                }
            }
        };
        Ok(self.deliver(done))
    }

    fn execute(&self, command: Command) -> Result<Answer, NodeError> {
        let now = self.now();
        let done = self.state().execute(command, now);
        self.deliver(done)
    }

    fn deliver(&self, (result, mail): Done) -> Result<Answer, NodeError> {
        mail.into_iter().for_each(Mail::deliver);
        result.map_err(|unable| unable.into_error(Arc::clone(&self.0.label)))
    }

    /// A new stream for the notices of this resource, which is nobody's subscription yet.
    fn inbox(&self, resource: &Resource) -> Inbox {
        let mailbox = Arc::new(Mailbox::default());
        let (node, resource) = (self.clone(), resource.clone());
        Inbox::new(Arc::clone(&mailbox), mailbox, move |subscriber| {
            node.unsubscribe(&resource, subscriber);
        })
    }

    /// Whether requests reach it: it has not crashed.
    pub(crate) fn listens(&self) -> bool {
        self.state().health() != Health::Down
    }

    /// The error of a call whose connection ended under it.
    pub(crate) fn closed(&self) -> NodeError {
        self.fails(FailureKind::Closed)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.label
    }

    pub(crate) fn number_of_this_start(&self) -> Identity {
        let starts = self.state().starts();
        Identity::new(u128::from(self.0.number) << 64 | u128::from(starts))
    }

    /// For how long it has been running, if it says that this matters.
    pub(crate) fn time_since_start(&self) -> Option<std::time::Duration> {
        let now = self.now();
        let state = self.state();
        let matters = state.frail && !state.gate.is_on();
        matters.then(|| now.since(state.started()))
    }

    pub(crate) fn clock_steps_after(&self, heard: u64) -> Vec<ClockStep> {
        let state = self.state();
        state.steps.iter().filter(|step| step.number() > heard).copied().collect()
    }

    const fn memory(&self) -> &Self {
        self
    }

    fn fails(&self, kind: FailureKind) -> NodeError {
        NodeError::new(Arc::clone(&self.0.label), kind)
    }

    fn now(&self) -> Moment {
        self.0.runtime.now()
    }

    /// Never held across an await or a call to other code.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        let poisoned = std::sync::PoisonError::into_inner;
        self.0.state.lock().unwrap_or_else(poisoned)
    }
}

asked_in_commands!(MemoryNode);

impl fmt::Debug for MemoryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MemoryNode");
        debug.field("label", &self.0.label);
        // Never waits: a node may be printed while something goes wrong inside of it.
        if let Ok(state) = self.0.state.try_lock() {
            debug.field("health", &state.health());
        }
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
