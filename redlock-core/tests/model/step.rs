//! What comes of it.

use redlock_core::proto::{Ballot, Delivery, Failure, FailureKind, Mutant};
use stateright::{Model, Property};

use crate::{
    action::{Action, Found, How, Repeat},
    node, properties,
    state::{Answer, Call, Client, Op, Phase, Remains, Stage, State, token},
    world::{Data, World},
};

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let client = Client { attempts: 0, phase: Phase::Idle, remains: vec![] };
        vec![State {
            now: 0,
            nodes: vec![None; self.nodes],
            closed: vec![0; self.nodes],
            calls: vec![],
            clients: [client.clone(), client],
            left: self.budget,
            fault: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.now += 1,
            Action::Start(i) => self.start(&mut state, i),
            Action::TimeOut(i) => self.time_out(&mut state, i),
            Action::Cancel(i) => self.cancel(&mut state, i),
            Action::Extend(i) => self.extend(&mut state, i),
            Action::ExtensionTimeOut(i) => self.extension_time_out(&mut state, i),
            Action::End(i) => self.end(&mut state, i),
            Action::Crash(i) => {
                state.left.crashes -= 1;
                state.clients[i].phase = Phase::Crashed;
                state.clients[i].remains.clear();
            }
            Action::Deliver { call, found, repeat } => {
                self.deliver(&mut state, call, found, repeat)
            }
            Action::Return(call) => {
                state.remove(call);
                if let Stage::Reply(answer) = call.stage {
                    self.returned(&mut state, call, answer.into());
                }
            }
            Action::Fail(call, how) => self.fail(&mut state, call, how),
            Action::Restart(i) => self.restart(&mut state, i),
        }
        self.tidy(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl World {
    fn deliver(&self, state: &mut State, call: Call, found: Found, repeat: Repeat) {
        state.remove(call);
        if repeat == Repeat::Later {
            state.left.duplicates -= 1;
            state.calls.push(Call { stage: Stage::Stray, ..call });
        }
        let key = &mut state.nodes[usize::from(call.node)];
        if found == Found::Expired {
            *key = None;
        }
        let token = self.written(call.token);
        let answer = match call.op {
            // In the step that would vote: whoever asks, and whenever he has last looked.
            op if op.sets_key() && state.closed[usize::from(call.node)] > 0 => Answer::Closed,
            Op::Acquire => node::acquire(key, token, self.kept(state.now, self.validity)),
            Op::Heal(units) => node::acquire(key, token, state.now + units),
            Op::Extend => {
                let until = self.kept(state.now, self.extension);
                node::extend(key, token, until, self.mutant)
            }
            Op::Release => return node::release(key, token, self.mutant),
        };
        if call.stage == Stage::Request {
            state.calls.push(Call { stage: Stage::Reply(answer), ..call });
        }
    }

    fn fail(&self, state: &mut State, call: Call, how: How) {
        state.left.losses -= 1;
        state.remove(call);
        if how == How::Stray {
            state.calls.push(Call { stage: Stage::Stray, ..call });
        }
        self.failed(state, call, how);
    }

    fn failed(&self, state: &mut State, call: Call, how: How) {
        let delivery = match how {
            How::NotSent => Delivery::NotSent,
            How::Lost | How::Stray => Delivery::Unknown,
        };
        let failure = Failure { kind: FailureKind::Closed, delivery };
        self.returned(state, call, Ballot::Failed(failure));
    }

    fn restart(&self, state: &mut State, i: usize) {
        state.left.restarts -= 1;
        if self.data == Data::Lost {
            state.nodes[i] = None;
            state.closed[i] = state.now + self.quarantine;
        }
        let (broken, others) = state.calls.iter().partition(|call| usize::from(call.node) == i);
        state.calls = others;
        let broken: Vec<Call> = broken;
        // What nobody waits for is lost without a word; a release is asked for until it arrives.
        let told = |call: &Call| call.op == Op::Release || call.stage != Stage::Stray;
        for call in broken.into_iter().filter(told) {
            self.failed(state, call, How::Lost);
        }
    }

    /// Forgets what can make no difference any more.
    fn tidy(&self, state: &mut State) {
        for key in state.nodes.iter_mut().flatten() {
            if key.until <= state.now {
                key.until = 0;
            }
        }
        for closed in &mut state.closed {
            if *closed <= state.now {
                *closed = 0;
            }
        }
        for mut call in std::mem::take(&mut state.calls) {
            if call.op != Op::Release && call.stage != Stage::Stray && !state.awaits(&call) {
                match call.stage {
                    Stage::Reply(_) => continue,
                    _ => call.stage = Stage::Stray,
                }
            }
            state.calls.push(call);
        }
        let in_vain = |call: &Call| !call.op.sets_key() && self.is_in_vain(state, call);
        let calls = state.calls.iter().filter(|call| !in_vain(call)).copied();
        state.calls = calls.collect();
        state.calls.sort_unstable();
        for i in 0..state.clients.len() {
            let calls = &state.calls;
            let still = |remains: &Remains| {
                calls.iter().any(|call| {
                    call.token == remains.token
                        && (call.op == Op::Release || call.stage != Stage::Stray)
                })
            };
            state.clients[i].remains.retain(still);
        }
    }

    /// Whether a node will do nothing when it is asked this, whenever that may be: the key of the
    /// token is not there, and nothing is under way that could set it.
    fn is_in_vain(&self, state: &State, call: &Call) -> bool {
        let deletes_foreign =
            matches!(self.mutant, Some(Mutant::TokenReused | Mutant::UnconditionalDelete));
        let sets_it = |other: &Call| {
            other.op.sets_key()
                && (other.node, other.token) == (call.node, call.token)
                && !matches!(other.stage, Stage::Reply(_))
        };
        let there = state.nodes[usize::from(call.node)].is_some_and(|key| key.token == call.token);
        matches!(call.stage, Stage::Stray)
            && !deletes_foreign
            && !there
            && !state.calls.iter().any(sets_it)
    }
}

impl State {
    fn remove(&mut self, call: Call) {
        let place = self.calls.iter().position(|other| *other == call);
        self.calls.remove(place.expect("a call under way"));
    }

    /// Whether anybody waits for this call, and what it says could still make a difference.
    fn awaits(&self, call: &Call) -> bool {
        let i = usize::from(call.token.client);
        let client = &self.clients[i];
        if call.token == token(i, client.attempts) {
            match &client.phase {
                Phase::Asking(_) => return true,
                Phase::Holding { extension, .. } => {
                    return call.op.sets_key() || extension.is_some();
                }
                Phase::Idle | Phase::Crashed => {}
            }
        }
        let refused =
            matches!(call.stage, Stage::Reply(answer) if !Ballot::from(answer).may_hold());
        let mut remains = client.remains.iter();
        call.op.sets_key()
            && !refused
            && remains.any(|remains| {
                remains.token == call.token && remains.waits_for(usize::from(call.node))
            })
    }
}
