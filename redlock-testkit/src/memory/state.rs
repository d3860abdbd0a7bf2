use std::fmt;

use redlock_core::{Moment, NodeError};

use super::CallCounts;
use crate::{
    clock::{ServerClock, ServerTime},
    store::{Answer, Command, Store},
};

/// What a node consists of, apart from its name.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) clock: ServerClock,
    health: Health,
    /// How many times it has been started.
    starts: u64,
    /// Requests that were received while it hung, in order.
    waiting: Vec<Waiting>,
    pub(super) calls: CallCounts,
    last: Option<Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Up,
    /// Requests are received, and wait.
    Hung,
    /// Nothing is received.
    Down,
}

pub(super) type Reply = Box<dyn FnOnce(Result<Answer, NodeError>) + Send>;

pub(super) struct Waiting {
    pub(super) command: Command,
    pub(super) reply: Reply,
}

impl State {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            store: Store::default(),
            clock: ServerClock::new(now),
            health: Health::Up,
            starts: 1,
            waiting: Vec::new(),
            calls: CallCounts::default(),
            last: None,
        }
    }

    pub(super) fn execute(&mut self, command: &Command, now: Moment) -> Answer {
        self.calls.count(command.operation());
        let answer = self.store.execute(command, self.clock.read(now));
        self.last = Some(command.clone());
        answer
    }

    /// The last command once more, as a client library would that repeats what it got no answer
    /// to.
    pub(super) fn replay(&mut self, now: Moment) -> Option<Answer> {
        let last = self.last.take()?;
        Some(self.execute(&last, now))
    }

    pub(super) fn wait(&mut self, command: Command, reply: Reply) {
        self.waiting.push(Waiting { command, reply });
    }

    pub(super) fn hang(&mut self) {
        if self.health == Health::Up {
            self.health = Health::Hung;
        }
    }

    /// Takes up work again. The requests that waited are to be carried out, in this order.
    pub(super) fn resume(&mut self) -> Vec<Waiting> {
        if self.health == Health::Hung {
            self.health = Health::Up;
        }
        std::mem::take(&mut self.waiting)
    }

    /// Stops. The requests that waited are lost, and their callers are to be told.
    pub(super) fn crash(&mut self) -> Vec<Waiting> {
        self.health = Health::Down;
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn restart(&mut self) {
        if self.health == Health::Down {
            self.health = Health::Up;
            self.starts += 1;
        }
    }

    pub(super) const fn health(&self) -> Health {
        self.health
    }

    pub(super) const fn starts(&self) -> u64 {
        self.starts
    }

    pub(super) fn read_clock(&self, now: Moment) -> ServerTime {
        self.clock.read(now)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.command, f)
    }
}
