use std::{fmt, time::Duration};

use redlock_core::{
    Announced, ClockStep, Moment, NodeError, Resource, ResourceSet, StepDirection, Token, Vote,
};

use super::{
    CallCounts,
    board::{Board, Mail},
    quarantine::Gate,
    unable::Unable,
};
use crate::{
    clock::{ServerClock, ServerTime},
    command::{Answer, Command},
    inbox::Subscriber,
    store::{Store, UsedUp},
};

/// What a node consists of, apart from its name.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) board: Board,
    pub(super) clock: ServerClock,
    health: Health,
    /// How many times it has been started.
    starts: u64,
    /// Requests that were received while it hung, in order.
    waiting: Vec<Waiting>,
    pub(super) calls: CallCounts,
    pub(super) gate: Gate,
    /// Whether it can count holders.
    pub(super) counts: bool,
    /// Whether it can take several resources at once.
    pub(super) takes_sets: bool,
    /// Whether it tells how long it has been running.
    pub(super) frail: bool,
    started: Moment,
    /// How its clock was stepped since that is noticed.
    pub(super) steps: Vec<ClockStep>,
    pub(super) notices_steps: bool,
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

/// The answer to a command, and what is to be delivered because of it.
pub(super) type Done = (Result<Answer, Unable>, Vec<Mail>);

pub(super) type Reply = Box<dyn FnOnce(Result<Answer, NodeError>) + Send>;

pub(super) struct Waiting {
    pub(super) command: Command,
    pub(super) reply: Reply,
}

impl State {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            store: Store::default(),
            board: Board::default(),
            clock: ServerClock::new(now),
            health: Health::Up,
            starts: 1,
            waiting: Vec::new(),
            calls: CallCounts::default(),
            gate: Gate::default(),
            counts: true,
            takes_sets: true,
            frail: false,
            started: now,
            steps: Vec::new(),
            notices_steps: false,
            last: None,
        }
    }

    /// Carries out a command. What is to be delivered because of it is left to the caller, who
    /// must not do that under the lock of this state.
    pub(super) fn execute(&mut self, command: Command, now: Moment) -> Done {
        self.calls.count(command.operation());
        let done = self.carry_out(&command, now);
        self.last = Some(command);
        done
    }

    fn carry_out(&mut self, command: &Command, now: Moment) -> Done {
        let now = self.clock.read(now);
        if let Err(unable) = self.gate.admit(command, now) {
            return (Err(unable), Vec::new());
        }
        let store = &mut self.store;
        let answer = match command {
            Command::Acquire(resource, token, ttl) => {
                Answer::Vote(store.acquire(resource, token, *ttl, now))
            }
            Command::AcquireCounted(resource, token, ttl, hint) => {
                match store.acquire_counted(resource, token, *ttl, *hint, now) {
                    Ok(vote) => Answer::Vote(vote),
                    Err(UsedUp) => return (Err(Unable::UsedUp), Vec::new()),
                }
            }
            Command::Raise(resource, token, fence) => {
                Answer::Vote(store.raise(resource, token, *fence, now))
            }
            Command::Extend(resource, token, ttl) => {
                Answer::Vote(store.extend(resource, token, *ttl, now))
            }
            Command::Release(resource, token) => Answer::Vote(store.release(resource, token, now)),
            Command::Inspect(resource) => Answer::Inspection(store.inspect(resource, now)),
            Command::ReleaseAndNotify(resource, token) => {
                let (announced, mail) = self.release_and_notify(resource, token, now);
                return (Ok(Answer::Announced(announced)), mail);
            }
            Command::AcquireAll(resources, token, ttl) => {
                Answer::Vote(store.acquire_all(resources, token, *ttl, now))
            }
            Command::ExtendAll(resources, token, ttl) => {
                Answer::Vote(store.extend_all(resources, token, *ttl, now))
            }
            Command::ReleaseAll(resources, token) => {
                Answer::Vote(store.release_all(resources, token, now).0)
            }
            Command::ReleaseAllAndNotify(resources, token) => {
                let (announced, mail) = self.release_all_and_notify(resources, token, now);
                return (Ok(Answer::Announced(announced)), mail);
            }
            Command::Notify(resource) => return self.notify(resource),
            Command::List(prefix, from) => Answer::Page(store.list(prefix, from.as_ref(), now)),
            Command::Reset(resource) => {
                let (token, mail) = self.reset(resource, now);
                return (Ok(Answer::Reset(token)), mail);
            }
            Command::Agree(name, terms) => Answer::Terms(store.agree(name, terms)),
            Command::Subscribe(resource, subscriber) => {
                let subscribed = self.board.subscribe(resource, subscriber);
                return (subscribed.map(|()| Answer::Done).map_err(Unable::from), Vec::new());
            }
        };
        (Ok(answer), Vec::new())
    }

    fn release_and_notify(
        &mut self,
        resource: &Resource,
        token: &Token,
        now: ServerTime,
    ) -> (Announced, Vec<Mail>) {
        let vote = self.store.release(resource, token, now);
        let (listeners, mail) = if vote == Vote::granted() {
            self.board.post(resource, Some(token))
        } else {
            (0, Vec::new())
        };
        (Announced { vote, listeners }, mail)
    }

    fn reset(&mut self, resource: &Resource, now: ServerTime) -> (Option<Token>, Vec<Mail>) {
        let token = self.store.reset(resource, now);
        let told = token.as_ref().map(|_| self.board.post(resource, None));
        (token, told.map(|(_, mail)| mail).unwrap_or_default())
    }

    fn release_all_and_notify(
        &mut self,
        resources: &ResourceSet,
        token: &Token,
        now: ServerTime,
    ) -> (Announced, Vec<Mail>) {
        let (vote, released) = self.store.release_all(resources, token, now);
        let (mut listeners, mut mail) = (0_u32, Vec::new());
        for resource in released {
            let (told, more) = self.board.post(resource, Some(token));
            listeners = listeners.saturating_add(told);
            mail.extend(more);
        }
        (Announced { vote, listeners }, mail)
    }

    fn notify(&mut self, resource: &Resource) -> Done {
        let permitted = self.board.permitted();
        let (_, mail) = self.board.post(resource, None);
        (permitted.map(|()| Answer::Done).map_err(Unable::from), mail)
    }

    pub(super) const fn take_last(&mut self) -> Option<Command> {
        self.last.take()
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

    /// Stops. The requests that waited are lost, and so are the subscriptions: their callers and
    /// their subscribers are to be told.
    pub(super) fn crash(&mut self) -> (Vec<Waiting>, Vec<Subscriber>) {
        self.health = Health::Down;
        (std::mem::take(&mut self.waiting), self.board.disconnect())
    }

    pub(super) fn restart(&mut self, now: Moment) {
        if self.health == Health::Down {
            self.health = Health::Up;
            self.starts += 1;
            self.started = now;
            self.gate.restarted(self.clock.read(now));
        }
    }

    pub(super) const fn health(&self) -> Health {
        self.health
    }

    /// Its clock has been stepped.
    pub(super) fn stepped(&mut self, direction: StepDirection, by: Duration) {
        if self.notices_steps {
            let number = self.steps.last().map_or(0, ClockStep::number) + 1;
            self.steps.push(ClockStep::new(number, direction, by, by));
        }
    }

    pub(super) const fn started(&self) -> Moment {
        self.started
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
