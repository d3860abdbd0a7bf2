//! A client: what the driver of the lock does with the decisions of the shipping types.

use std::time::Duration;

use redlock_core::proto::{
    Attempt, Ballot, Ending, ExtensionStep, Late, NodeSet, Orders, Progress, Quorum, Tenure, Undo,
    UndoStep, Vote,
};

use crate::{
    state::{Call, Fault, Of, Op, Phase, Remains, Running, Stage, State, Token, UNIT, at, token},
    world::World,
};

impl World {
    /// Starts an attempt: asks all nodes.
    pub(crate) fn start(&self, state: &mut State, i: usize) {
        let quorum = Quorum::of(self.nodes).expect("there are nodes");
        let attempt = Attempt::start(quorum, self.ttl(), self.timing(), at(state.now));
        state.clients[i].attempts += 1;
        state.clients[i].phase = Phase::Asking(attempt);
        state.ask(i, Op::Acquire, quorum.all());
    }

    /// The nodes of an attempt have had their time.
    pub(crate) fn time_out(&self, state: &mut State, i: usize) {
        let now = at(state.now);
        if let Phase::Asking(attempt) = &mut state.clients[i].phase {
            let progress = attempt.timed_out(now);
            self.progress(state, i, progress);
        }
    }

    /// Nobody wants the lock any more.
    pub(crate) fn cancel(&self, state: &mut State, i: usize) {
        if let Phase::Asking(attempt) = &state.clients[i].phase {
            let orders = attempt.give_up();
            self.undo(state, i, orders);
        }
    }

    /// Releases a lock.
    pub(crate) fn end(&self, state: &mut State, i: usize) {
        let now = at(state.now);
        if let Phase::Holding { tenure, .. } = &mut state.clients[i].phase {
            let over = now >= tenure.until();
            let nodes = match tenure.expire(now, Duration::ZERO) {
                Some(loss) => Some(loss.release),
                None => tenure.end(),
            };
            if over && matches!(tenure.ending(), Some(Ending::Released)) {
                state.fault = Some(Fault::EndUntold);
            }
            self.bury(state, i, nodes.unwrap_or(NodeSet::EMPTY));
        }
    }

    /// Starts to extend a lock.
    pub(crate) fn extend(&self, state: &mut State, i: usize) {
        let now = state.now;
        let Phase::Holding { tenure, extension, extensions } = &mut state.clients[i].phase else {
            return;
        };
        let over = !tenure.is_valid(at(now));
        match tenure.extend(self.extension_ttl(), at(now)) {
            Ok(_) if over => state.fault = Some(Fault::ExtendedAfterEnd),
            Ok(started) => {
                let asked = started.asked();
                *extensions += 1;
                let granted = NodeSet::EMPTY;
                *extension =
                    Some(Running { extension: started, started: now, granted, carried: false });
                state.ask(i, Op::Extend, asked);
            }
            Err(loss) => self.bury(state, i, loss.release),
        }
    }

    /// The nodes of an extension have had their time.
    pub(crate) fn extension_time_out(&self, state: &mut State, i: usize) {
        self.extension_step(state, i, |tenure, running, now| {
            tenure.extension_timed_out(&mut running.extension, at(now))
        });
    }

    /// A call has returned: tells whom it concerns.
    pub(crate) fn returned(&self, state: &mut State, call: Call, ballot: Ballot) {
        let i = usize::from(call.token.client);
        let node = usize::from(call.node);
        let now = at(state.now);
        if call.op == Op::Release {
            return self.release_failed(state, call, ballot);
        }
        let client = &mut state.clients[i];
        if call.token == token(i, client.attempts) {
            match &mut client.phase {
                Phase::Asking(attempt) => {
                    let progress = attempt.answered(node, ballot, now);
                    return self.progress(state, i, progress);
                }
                Phase::Holding { tenure, .. } if call.op.sets_key() => {
                    if tenure.late(node, ballot) == Late::Release {
                        state.release(call.token, [node].into_iter().collect());
                    }
                    return;
                }
                Phase::Holding { tenure, extension: Some(running), .. } if running.carried => {
                    tenure.extension_late(node, ballot);
                    if ballot == Ballot::Cast(Vote::not_held()) {
                        self.heal(state, i, [node].into_iter().collect());
                    }
                    return;
                }
                Phase::Holding { .. } => {
                    return self.extension_step(state, i, |tenure, running, now| {
                        let extension = &mut running.extension;
                        if ballot == Ballot::Cast(Vote::granted()) {
                            running.granted.insert(node);
                        }
                        tenure.extension_answered(extension, node, ballot, at(now))
                    });
                }
                Phase::Idle | Phase::Crashed => {}
            }
        }
        let remains = client.remains.iter_mut();
        for remains in remains.filter(|remains| remains.token == call.token) {
            let release = match &mut remains.of {
                Of::Attempt(outstanding) => {
                    let waited = outstanding.contains(node);
                    outstanding.remove(node);
                    waited && ballot.may_hold()
                }
                Of::Lock(tenure) => tenure.late(node, ballot) == Late::Release,
            };
            if release && call.op.sets_key() {
                state.release(call.token, [node].into_iter().collect());
                return;
            }
        }
    }

    /// A release was lost: asks again, if [`Undo`] says so.
    fn release_failed(&self, state: &mut State, call: Call, ballot: Ballot) {
        let mut undo = Undo::between(at(0), at(u8::MAX));
        if let UndoStep::AskAgain(_) = undo.answered(ballot, at(state.now)) {
            state.calls.push(call);
        }
    }

    fn progress(&self, state: &mut State, i: usize, progress: Progress) {
        match progress {
            // The attempts of this model have no fencing token.
            Progress::Open | Progress::Raise(..) => {}
            Progress::Granted(tenure) => {
                if !tenure.is_valid(at(state.now)) {
                    state.fault = Some(Fault::GrantedTooLate);
                }
                state.clients[i].phase = Phase::Holding { tenure, extension: None, extensions: 0 };
            }
            Progress::Failed(_) => self.cancel(state, i),
        }
    }

    fn extension_step(
        &self,
        state: &mut State,
        i: usize,
        step: impl FnOnce(&mut Tenure, &mut Running, u8) -> ExtensionStep,
    ) {
        let now = state.now;
        let Phase::Holding { tenure, extension: extension @ Some(_), .. } =
            &mut state.clients[i].phase
        else {
            return;
        };
        let before = tenure.clone();
        let Some(running) = extension else { return };
        let outcome = step(tenure, running, now);
        let refused = running.extension.tally().refused().len();
        if before.until() > tenure.until() {
            state.fault = Some(Fault::Shortened);
        } else if tenure.is_valid(at(now)) && !before.is_valid(at(now)) {
            state.fault = Some(Fault::Revived);
        } else if tenure.is_valid(at(now)) && self.nodes - refused < self.nodes / 2 + 1 {
            state.fault = Some(Fault::LossIgnored);
        }
        match outcome {
            ExtensionStep::Open | ExtensionStep::Ignored => {}
            ExtensionStep::Extended(_) => {
                if running.granted.len() <= self.nodes / 2 {
                    state.fault = Some(Fault::AbsentCounted);
                }
                running.carried = true;
                let gone = running.extension.tally().gone();
                if self.healing {
                    self.heal(state, i, gone);
                } else {
                    *extension = None;
                }
            }
            ExtensionStep::Unchanged(_) => *extension = None,
            ExtensionStep::Lost(loss) => self.bury(state, i, loss.release),
        }
    }

    /// Has nodes set the key again that have lost it, after an extension that has been carried.
    fn heal(&self, state: &mut State, i: usize, gone: NodeSet) {
        let now = at(state.now);
        let Phase::Holding { tenure, extension: Some(running), .. } = &mut state.clients[i].phase
        else {
            return;
        };
        if let Some(healing) = tenure.heal(&running.extension, gone, now) {
            let units = healing.lifetime.get().as_nanos() / UNIT.as_nanos();
            // The fastest clock takes one for drift, as with every other lifetime.
            let units = u8::try_from(units).unwrap_or(u8::MAX).saturating_sub(1);
            state.ask(i, Op::Heal(units), healing.nodes);
        }
    }

    /// A lock has ended, and the nodes are to be released.
    fn bury(&self, state: &mut State, i: usize, release: NodeSet) {
        let client = &mut state.clients[i];
        let token = token(i, client.attempts);
        if let Phase::Holding { tenure, .. } = std::mem::replace(&mut client.phase, Phase::Idle) {
            client.remains.push(Remains { token, of: Of::Lock(tenure) });
        }
        state.release(token, release);
    }

    /// An attempt has ended without a lock.
    fn undo(&self, state: &mut State, i: usize, orders: Orders) {
        let client = &mut state.clients[i];
        let token = token(i, client.attempts);
        client.phase = Phase::Idle;
        client.remains.push(Remains { token, of: Of::Attempt(orders.outstanding) });
        state.release(token, orders.release);
    }
}

impl State {
    fn ask(&mut self, i: usize, op: Op, nodes: NodeSet) {
        let token = token(i, self.clients[i].attempts);
        self.calls.extend(nodes.iter().map(|node| Call {
            node: node as u8,
            token,
            op,
            stage: Stage::Request,
        }));
    }

    fn release(&mut self, token: Token, nodes: NodeSet) {
        self.calls.extend(nodes.iter().map(|node| Call {
            node: node as u8,
            token,
            op: Op::Release,
            stage: Stage::Stray,
        }));
    }
}

impl Remains {
    /// Whether the call to acquire at this node is still waited for.
    pub(crate) fn waits_for(&self, node: usize) -> bool {
        match &self.of {
            Of::Attempt(outstanding) => outstanding.contains(node),
            Of::Lock(_) => true,
        }
    }
}
