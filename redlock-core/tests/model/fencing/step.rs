//! What can happen, and what comes of it.

use redlock_core::proto::Mutant;
use stateright::{Model, Property};

use crate::fencing::{
    node::Node,
    properties,
    state::{Answer, Client, Op, Reply, Request, State},
    world::{Wire, World},
};

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start(usize),
    /// The node timeout.
    TimeOut(usize),
    /// A request is carried out.
    Deliver(Request),
    /// An answer arrives.
    Return(Reply),
    /// A node's key is gone: expired or released, or deleted by who knows whom.
    Expire(usize),
    /// A node's counter is gone.
    Forget(usize),
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let client = Client { attempts: 0, asking: None, hint: 0, had: vec![] };
        let node = |&counter| Node { key: None, counter };
        vec![State {
            nodes: self.counters.iter().map(node).collect(),
            requests: vec![],
            replies: vec![],
            clients: [client.clone(), client],
            amnesia: self.amnesia,
            has_decreased: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (i, client) in state.clients.iter().enumerate() {
            let may_try = client.attempts < self.attempts[i];
            // That the first client starts is no loss: otherwise they would swap names.
            let first = i == 0 || state.clients[0].attempts > 0;
            match &client.asking {
                None if may_try && first => actions.push(Action::Start(i)),
                // Who will never try again might as well go on waiting.
                Some(_) if may_try => actions.push(Action::TimeOut(i)),
                _ => {}
            }
        }
        actions.extend(state.requests.iter().copied().map(Action::Deliver));
        actions.extend(state.replies.iter().copied().map(Action::Return));
        for (i, node) in state.nodes.iter().enumerate() {
            if node.key.is_some() {
                actions.push(Action::Expire(i));
            }
            if state.amnesia > 0 && node.counter > 0 {
                actions.push(Action::Forget(i));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Start(i) => self.start(&mut state, i),
            Action::TimeOut(i) => self.time_out(&mut state, i),
            Action::Deliver(request) => self.deliver(&mut state, request),
            Action::Return(reply) => self.returned(&mut state, reply),
            Action::Expire(i) => state.nodes[i].key = None,
            Action::Forget(i) => {
                state.amnesia -= 1;
                state.nodes[i].counter = 0;
            }
        }
        let mut nodes = last.nodes.iter().zip(&state.nodes);
        state.has_decreased |= nodes.any(|(before, after)| after.counter < before.counter);
        tidy(&mut state);
        let within = state.nodes.iter().all(|node| node.counter <= self.most);
        (within && state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl World {
    fn deliver(&self, state: &mut State, request: Request) {
        if self.wire == Wire::Once {
            state.requests.retain(|other| *other != request);
        }
        let node = &mut state.nodes[usize::from(request.node)];
        let answer = match request.op {
            Op::Acquire(hint) => node.acquire(request.token, hint),
            Op::Raise(fence) => node.raise(request.token, fence, self.mutant),
        };
        let reply = Reply { to: request, answer };
        if self.wire == Wire::Once || self.confirms(reply) {
            state.replies.push(reply);
        }
    }

    /// Whether an answer can help to a fence. Whom the others reach might as well hear nothing: he
    /// comes to no lock by them. Where requests are repeated, that saves most of the states.
    fn confirms(&self, reply: Reply) -> bool {
        match (reply.to.op, reply.answer) {
            (Op::Acquire(_), Answer::Counted(_)) => true,
            (Op::Raise(fence), Answer::Counted(counter)) => {
                counter == fence || self.mutant == Some(Mutant::RaiseIfMine)
            }
            _ => false,
        }
    }
}

/// Forgets what can make no difference any more.
fn tidy(state: &mut State) {
    let replies = std::mem::take(&mut state.replies);
    state.replies = replies.into_iter().filter(|reply| state.awaits(&reply.to)).collect();
    state.replies.sort_unstable();
    state.replies.dedup();
    state.requests.sort_unstable();
}
