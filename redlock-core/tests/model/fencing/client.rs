//! A client: what the driver of the lock does with the decisions of a fenced attempt.

use std::time::Duration;

use redlock_core::proto::{
    Attempt, Ballot, Drift, Fence, Moment, NodeSet, Progress, Quorum, Timing, Ttl,
};

use crate::{
    fencing::{
        state::{Answer, Asking, Had, Op, Reply, Request, State},
        world::World,
    },
    state::token,
};

impl World {
    /// Starts an attempt: asks all nodes to count on from the largest count that the client knows.
    pub(crate) fn start(&self, state: &mut State, i: usize) {
        let quorum = Quorum::of(self.counters.len()).expect("there are nodes");
        let ttl = Ttl::new(Duration::from_secs(10)).expect("a fitting constant");
        let timing = Timing::new(Drift::default());
        let before = state.had().map(|had| had.fence).max().unwrap_or_default();
        let client = &mut state.clients[i];
        client.attempts += 1;
        client.asking = Some(Asking {
            attempt: Attempt::start(quorum, ttl, timing, NOW).fenced(),
            before,
            wants: None,
            asked: NodeSet::EMPTY,
            waits: NodeSet::EMPTY,
            raised: NodeSet::EMPTY,
        });
        let op = Op::Acquire(client.hint);
        state.ask(i, quorum.all(), op);
    }

    /// The nodes of an attempt have had their time, in both rounds.
    pub(crate) fn time_out(&self, state: &mut State, i: usize) {
        if let Some(asking) = &mut state.clients[i].asking {
            let progress = asking.attempt.timed_out(NOW);
            progressed(state, i, progress);
        }
    }

    /// An answer has arrived, at somebody who waits for it.
    pub(crate) fn returned(&self, state: &mut State, Reply { to, answer }: Reply) {
        let (i, node) = (usize::from(to.token.client), usize::from(to.node));
        let Some(asking) = &mut state.clients[i].asking else { return };
        let ballot = Ballot::from(answer);
        let progress = match to.op {
            Op::Acquire(_) => asking.attempt.answered(node, ballot, NOW),
            Op::Raise(fence) => {
                asking.waits.remove(node);
                if answer == Answer::Counted(fence) {
                    asking.raised.insert(node);
                }
                asking.attempt.raised(node, ballot, NOW)
            }
        };
        progressed(state, i, progress);
    }
}

impl State {
    fn ask(&mut self, i: usize, nodes: NodeSet, op: Op) {
        let token = token(i, self.clients[i].attempts);
        self.requests.extend(nodes.iter().map(|node| Request { node: node as u8, token, op }));
    }
}

fn progressed(state: &mut State, i: usize, progress: Progress) {
    let client = &mut state.clients[i];
    match progress {
        Progress::Open => {}
        Progress::Raise(nodes, fence) => {
            if let Some(asking) = &mut client.asking {
                asking.wants = Some(fence);
                asking.asked = asking.asked.union(nodes);
                asking.waits = asking.waits.union(nodes);
            }
            state.ask(i, nodes, Op::Raise(small(fence)));
        }
        Progress::Granted(tenure) => {
            let asking = client.asking.take().expect("an attempt that was granted");
            let fence = small(tenure.fence().expect("a fenced attempt"));
            client.hint = client.hint.max(fence);
            let second = asking.wants.is_some();
            client.had.push(Had { fence, before: asking.before, second });
        }
        Progress::Failed(_) => {
            let asking = client.asking.take().expect("an attempt that failed");
            let seen = asking.attempt.tally().largest_counter().unwrap_or_default();
            client.hint = client.hint.max(small(seen));
        }
    }
}

fn small(fence: Fence) -> u8 {
    u8::try_from(fence.get()).expect("a small world")
}

/// It is always the same moment: nothing here depends on time.
const NOW: Moment = Moment::ORIGIN;
