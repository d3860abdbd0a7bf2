//! What can happen.

use crate::{
    state::{Call, Client, Op, Phase, Stage, State},
    world::{Wire, World},
};

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Start(usize),
    /// The node timeout.
    TimeOut(usize),
    /// The attempt is dropped by whoever wanted the lock.
    Cancel(usize),
    Extend(usize),
    ExtensionTimeOut(usize),
    /// Released, or dropped.
    End(usize),
    Crash(usize),
    /// A request is carried out.
    Deliver {
        call: Call,
        found: Found,
        repeat: Repeat,
    },
    /// An answer arrives.
    Return(Call),
    /// A call returns without an answer.
    Fail(Call, How),
    Restart(usize),
}

/// Whether a key that may have expired has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    There,
    Expired,
}

/// Whether a request is carried out once more later on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Never,
    Later,
}

/// How far a call that failed came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It was never sent, and the caller knows that.
    NotSent,
    /// The request or its answer was lost.
    Lost,
    /// The request is still on its way.
    Stray,
}

impl World {
    /// All that can happen next.
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        // Before anybody has started, and after everybody has ended, time makes no difference.
        let begun = state.clients[0].attempts > 0;
        let over = |i: usize| state.clients[i].attempts == self.attempts[i];
        let over = state.is_quiet() && (0..state.clients.len()).all(over);
        if begun && !over && state.now < self.end {
            actions.push(Action::Tick);
        }
        for i in 0..state.clients.len() {
            self.client_actions(state, i, actions);
        }
        for (i, &call) in state.calls.iter().enumerate() {
            if i == 0 || state.calls[i - 1] != call {
                self.call_actions(state, call, actions);
            }
        }
        if state.left.restarts > 0 && begun && !over {
            actions.extend((0..self.nodes).map(Action::Restart));
        }
    }

    /// Whether a node may be asked this before what it was asked earlier.
    fn may_deliver(&self, state: &State, call: &Call) -> bool {
        let earlier = |other: &Call| {
            (other.op == Op::Acquire || (other.op.sets_key() && call.op == Op::Release))
                && other.node == call.node
                && other.token == call.token
                && !matches!(other.stage, Stage::Reply(_))
        };
        self.wire == Wire::Unordered || call.op.sets_key() || !state.calls.iter().any(earlier)
    }

    fn client_actions(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let Client { attempts, phase, .. } = &state.clients[i];
        match phase {
            // That the first client starts is no loss: otherwise they would swap names.
            Phase::Idle if i > 0 && state.clients[0].attempts == 0 => {}
            Phase::Idle if *attempts < self.attempts[i] => actions.push(Action::Start(i)),
            Phase::Idle | Phase::Crashed => {}
            Phase::Asking(_) => actions.extend([Action::TimeOut(i), Action::Cancel(i)]),
            Phase::Holding { extension, extensions, .. } => {
                actions.push(Action::End(i));
                if extension.as_ref().is_some_and(|running| !running.carried) {
                    actions.push(Action::ExtensionTimeOut(i));
                } else if *extensions < self.extensions {
                    actions.push(Action::Extend(i));
                }
            }
        }
        if state.left.crashes > 0 && *phase != Phase::Crashed && *attempts > 0 {
            actions.push(Action::Crash(i));
        }
    }

    fn call_actions(&self, state: &State, call: Call, actions: &mut Vec<Action>) {
        if let Stage::Reply(_) = call.stage {
            actions.push(Action::Return(call));
        } else if self.may_deliver(state, &call) {
            let expires = state.nodes[usize::from(call.node)].is_some_and(|key| key.until == 0);
            for found in [Found::There, Found::Expired] {
                if found == Found::Expired && !expires {
                    continue;
                }
                for repeat in [Repeat::Never, Repeat::Later] {
                    if repeat == Repeat::Never || state.left.duplicates > 0 {
                        actions.push(Action::Deliver { call, found, repeat });
                    }
                }
            }
        }
        if state.left.losses > 0 && (call.stage != Stage::Stray || call.op == Op::Release) {
            actions.push(Action::Fail(call, How::Lost));
            if call.stage == Stage::Request && call.op.sets_key() {
                actions.push(Action::Fail(call, How::NotSent));
            }
            if call.stage == Stage::Request && self.strays {
                actions.push(Action::Fail(call, How::Stray));
            }
        }
    }
}
