//! What an operator, or bad luck, can do to a [`MemoryNode`], and what a test can see of it.

use std::time::Duration;

use redlock_core::{Fence, Moment, Resource, RestartPolicy, StepDirection, Token};

use super::{MemoryNode, notices, state::Health};
use crate::{clock::Rate, command::Operation};

/// A key that lives on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// What is locked.
    pub resource: Resource,
    /// By whom.
    pub token: Token,
    /// How much longer, in true time.
    pub remaining: Duration,
}

/// How many commands of each kind a node has carried out, whatever it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Of [`LockNode::acquire`](redlock_core::LockNode::acquire) and
    /// [`Fencing::acquire_counted`](redlock_core::Fencing::acquire_counted).
    pub acquire: u64,
    /// Of [`LockNode::extend`](redlock_core::LockNode::extend).
    pub extend: u64,
    /// Of [`LockNode::release`](redlock_core::LockNode::release) and
    /// [`Notifications::release_and_notify`](redlock_core::Notifications::release_and_notify).
    pub release: u64,
    /// Of [`LockNode::inspect`](redlock_core::LockNode::inspect).
    pub inspect: u64,
    /// Of [`Notifications::subscribe`](redlock_core::Notifications::subscribe).
    pub subscribe: u64,
    /// Of [`Notifications::notify`](redlock_core::Notifications::notify).
    pub notify: u64,
    /// Of [`Fencing::raise`](redlock_core::Fencing::raise).
    pub raise: u64,
    /// Of [`Survey::list`](redlock_core::Survey::list): pages.
    pub list: u64,
    /// Of [`Survey::reset`](redlock_core::Survey::reset).
    pub reset: u64,
    /// Of [`Accord::agree`](redlock_core::Accord::agree).
    pub agree: u64,
}

impl CallCounts {
    pub(super) const fn count(&mut self, operation: Operation) {
        match operation {
            Operation::Acquire => self.acquire += 1,
            Operation::Extend => self.extend += 1,
            Operation::Release => self.release += 1,
            Operation::Inspect => self.inspect += 1,
            Operation::Subscribe => self.subscribe += 1,
            Operation::Notify => self.notify += 1,
            Operation::Raise => self.raise += 1,
            Operation::List => self.list += 1,
            Operation::Reset => self.reset += 1,
            Operation::Agree => self.agree += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn total(self) -> u64 {
        let votes = self.acquire + self.raise + self.extend + self.release;
        let told = self.inspect + self.list + self.subscribe + self.notify;
        votes + told + self.reset + self.agree
    }
}

impl MemoryNode {
    /// The server stops, as by `kill -9`, and keeps what it has on disk: all of it.
    ///
    /// Calls fail as unreachable, with nothing sent. Requests that were waiting because it hung
    /// are never carried out; their callers see the connection close. Streams of notices end. The
    /// keys go on ageing.
    pub fn crash(&self) {
        let (lost, ended) = self.state().crash();
        for waiting in lost {
            (waiting.reply)(Err(self.closed()));
        }
        notices::end(ended);
    }

    /// The server stops, and everything that it knew is lost, counters and
    /// [agreements](Self::agreement) too. This breaks what a lock
    /// relies on.
    pub fn crash_and_forget(&self) {
        self.crash();
        self.state().store.clear();
    }

    /// A server that had crashed is started again, with a new identity.
    pub fn restart(&self) {
        let now = self.now();
        self.state().restart(now);
    }

    /// What it does when it has been restarted, with its data or without; at first it trusts in what it
    /// knows.
    ///
    /// In quarantine every acquire fails, also one that heals a lock, and says
    /// [for how much longer](redlock_core::NodeError::quarantine): as counted by its own clock, so a
    /// step of that in between makes it shorter or longer. A new node is not in quarantine. Lifetimes
    /// beyond the longest that the quarantine is for are rejected at all times.
    pub fn restart_policy(&self, policy: RestartPolicy) {
        self.state().gate.set(policy);
    }

    /// From now on the node is one of a server that writes nothing to its disk, and tells for how
    /// long it [remembers](redlock_core::Witness::remembers): since its last start. Whether it does
    /// lose anything by a restart is another question: see
    /// [`crash_and_forget`](Self::crash_and_forget). In quarantine mode it says nothing of the kind.
    pub fn tell_of_restarts(&self) {
        self.state().frail = true;
    }

    /// The server stops answering, as by `SIGSTOP`, but its machine still accepts requests.
    ///
    /// They wait until it [resumes](Self::resume), and are then carried out in the order of their
    /// arrival: also those whose callers have given up in the meantime, for a request that has
    /// left cannot be called back. Keys go on ageing. Notices are told by requests, so none comes.
    pub fn hang(&self) {
        self.state().hang();
    }

    /// A server that hung goes on, first with the requests that have been waiting.
    pub fn resume(&self) {
        let waiting = self.state().resume();
        for waiting in waiting {
            self.submit(waiting.command, waiting.reply);
        }
    }

    /// Whether the server answers: it has neither crashed nor does it hang.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state().health() == Health::Up
    }

    /// The key of this resource disappears, whoever has it: an eviction, an operator's `DEL`.
    pub fn evict(&self, resource: &Resource) {
        self.state().store.remove(resource);
    }

    /// What is [agreed on](redlock_core::Accord) under this name.
    #[must_use]
    pub fn agreement(&self, name: &Resource) -> Option<String> {
        self.state().store.terms(name).map(|terms| terms.as_ref().to_owned())
    }

    /// What is agreed on under this name is deleted, as by an operator who changes it.
    pub fn forget_agreement(&self, name: &Resource) {
        self.state().store.forget_terms(name);
    }

    /// What the counter of this resource shows, if there is one.
    #[must_use]
    pub fn counter(&self, resource: &Resource) -> Option<Fence> {
        let now = self.now();
        let state = self.state();
        state.store.counter(resource, state.read_clock(now))
    }

    /// The counter of this resource is lost, while its key stays. This breaks what fencing tokens
    /// rely on.
    pub fn forget_counter(&self, resource: &Resource) {
        self.state().store.forget_counter(resource);
    }

    /// Counters that nobody has asked for in so long, by the clock of the server, are lost, except
    /// while their key is there. Before this is said, they are kept for ever.
    pub fn keep_counters_for(&self, retention: Duration) {
        self.state().store.retain_counters_for(Some(retention));
    }

    /// From now on the node is one that cannot count holders: it has no
    /// [fencing](redlock_core::LockNode::fencing).
    pub fn stop_counting(&self) {
        self.state().counts = false;
    }

    pub(crate) fn counts(&self) -> bool {
        self.state().counts
    }

    /// From now on the node is one that takes resources one at a time only: it has no
    /// [sets](redlock_core::LockNode::sets).
    pub fn take_one_at_a_time(&self) {
        self.state().takes_sets = false;
    }

    pub(crate) fn takes_sets(&self) -> bool {
        self.state().takes_sets
    }

    /// The clock of the server jumps ahead, so all keys lose that much of their lives.
    pub fn step_clock_forward(&self, by: Duration) {
        let now = self.now();
        let mut state = self.state();
        state.clock.step_forward(now, by);
        state.stepped(StepDirection::Forward, by);
    }

    /// The clock of the server jumps back, so all keys live that much longer.
    pub fn step_clock_back(&self, by: Duration) {
        let now = self.now();
        let mut state = self.state();
        state.clock.step_back(now, by);
        state.stepped(StepDirection::Back, by);
    }

    /// From now on the node [notices](redlock_core::Witness::clock_steps) when its clock is stepped,
    /// and by how much, at once and exactly. Before, it is as one that nobody has looked at.
    pub fn notice_clock_steps(&self) {
        self.state().notices_steps = true;
    }

    /// From now on the clock of the server runs `rate` times as fast as true time. At 0 it stands
    /// still, and no key ends.
    ///
    /// # Panics
    ///
    /// If the rate is negative, infinite or no number.
    #[track_caller]
    pub fn clock_rate(&self, rate: f64) {
        let rate = Rate::new(rate);
        let now = self.now();
        self.state().clock.set_rate(now, rate);
    }

    /// The keys that live now, in the order of their resources; also while the server is down.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let now = self.now();
        let state = self.state();
        let keys = state.store.keys(state.read_clock(now));
        keys.map(|(resource, token, end)| Key {
            resource: resource.clone(),
            token: token.clone(),
            remaining: state.clock.when(end).since(now),
        })
        .collect()
    }

    /// From when on the key of this resource is dead, in true time, if this token has it and
    /// nobody touches it or the clock; possibly in the past. `None` if there is no such key.
    #[must_use]
    pub fn end_of_key(&self, resource: &Resource, token: &Token) -> Option<Moment> {
        let state = self.state();
        Some(state.clock.when(state.store.end(resource, token)?))
    }

    /// The command that was carried out last is carried out again, as by a client library that
    /// repeats what it got no answer to. Tells whether there was one.
    pub fn replay_last(&self) -> bool {
        let last = self.state().take_last();
        last.map(|command| self.execute(command)).is_some()
    }

    /// What has been carried out so far.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        self.state().calls
    }

    /// Starts counting from zero.
    pub fn reset_calls(&self) {
        self.state().calls = CallCounts::default();
    }
}
