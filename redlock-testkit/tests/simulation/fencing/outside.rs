//! What locks are for: two resources beyond the nodes, one of which looks at fencing tokens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::channel::oneshot;
use redlock_core::Resource;
use redlock_testkit::{History, Outcome, SimRuntime, Update, Write};

/// A number in each of two places, to be read and written over a network of its own.
#[derive(Clone)]
pub(super) struct Outside {
    sim: SimRuntime,
    history: History,
    state: Arc<Mutex<State>>,
    longest_way: Duration,
}

#[derive(Default)]
struct State {
    guarded: u64,
    /// The largest fence that has come to the guarded one.
    seen: u64,
    unguarded: u64,
}

/// What a client has read.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Nothing, if it came too late to be let in.
    guarded: Option<u64>,
    unguarded: u64,
}

impl Outside {
    pub(super) fn new(sim: &SimRuntime, history: &History, longest_way: Duration) -> Self {
        let (sim, history) = (sim.clone(), history.clone());
        Self { sim, history, state: Arc::default(), longest_way }
    }

    /// Reads both. The guarded one turns away whoever has an older fence from here on: one that only
    /// looked when it is written to would let an older holder write after the next one has read.
    pub(super) async fn read(&self, fence: u64) -> Seen {
        self.ask(move |state, _| {
            let guarded = (fence >= state.seen).then(|| {
                state.seen = fence;
                state.guarded
            });
            Seen { guarded, unguarded: state.unguarded }
        })
        .await
    }

    /// Writes the numbers that follow those which were read. Says whether the guarded one took it.
    pub(super) async fn write(&self, client: usize, fence: u64, read: Seen) -> bool {
        self.ask(move |state, history| {
            let client: Arc<str> = Arc::from(format!("client {client}"));
            let update = |name, read, outcome| {
                history.update(Update::new(Arc::clone(&client), named(name), read, outcome));
            };
            state.unguarded = read.unguarded + 1;
            update(UNGUARDED, read.unguarded, Outcome::Done);
            let Some(guarded) = read.guarded else { return false };
            let taken = fence >= state.seen;
            let outcome = if taken { Outcome::Done } else { Outcome::Refused };
            if taken {
                (state.seen, state.guarded) = (fence, guarded + 1);
                // Who was turned away for a reader's fence would seem to be wronged.
                history.write(Write::new(Arc::clone(&client), named(GUARDED), fence, outcome));
            }
            update(GUARDED, guarded, outcome);
            taken
        })
        .await
    }

    /// Has something done there. It goes on its way whatever becomes of whoever asked.
    async fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut State, &History) -> T + Send + 'static,
    ) -> T {
        let (sender, answer) = oneshot::channel();
        let there = self.clone();
        let arrives = self.sim.now().after(self.way());
        self.sim.at(arrives, move || {
            let mut state = there.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = what(&mut state, &there.history);
            // Who has gone needs no answer.
            there.sim.at(there.sim.now().after(there.way()), move || drop(sender.send(result)));
        });
        answer.await.expect("nothing is lost on this network")
    }

    fn way(&self) -> Duration {
        let random = self.sim.random();
        let longest = if random.chance(0.1) { self.longest_way } else { self.longest_way / 20 };
        random.between(Duration::ZERO, longest)
    }
}

pub(super) fn named(name: &str) -> Resource {
    Resource::new(name).expect("it is not empty")
}

pub(super) const GUARDED: &str = "guarded";

pub(super) const UNGUARDED: &str = "unguarded";
