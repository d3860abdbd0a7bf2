//! What the test and the threads of a proxy have in common.

use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::flow::{Direction, Flow, Traffic};

pub(super) struct Shared {
    pub(super) target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: Flow,
    replies: Flow,
    armed: Option<Armed>,
    traffic: Traffic,
    pairs: BTreeMap<u64, Pair>,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

/// A change that a request sets off.
struct Armed {
    bytes: Vec<u8>,
    direction: Direction,
    flow: Flow,
}

/// The two connections that make one through the proxy.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// How many of its threads still run.
    running: u8,
    /// By direction.
    has_lost: [bool; 2],
    stranded: bool,
}

/// What a thread is to do with the bytes it has.
pub(super) enum Step {
    Pass { bytes: usize, cut: bool },
    Lost,
    Cut,
}

impl Pair {
    /// Wakes its threads, whatever they wait for.
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl State {
    const fn flow_mut(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Requests => &mut self.requests,
            Direction::Replies => &mut self.replies,
        }
    }

    fn set(&mut self, direction: Direction, flow: Flow) {
        *self.flow_mut(direction) = flow;
        if flow == Flow::Lose {
            return;
        }
        self.pairs.retain(|_, pair| {
            let ends = pair.has_lost[direction as usize];
            if ends {
                pair.cut();
            }
            !ends
        });
    }
}

impl Shared {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self { target, state: Mutex::default(), changed: Condvar::new() }
    }

    // For the test.

    pub(super) fn set(&self, direction: Direction, flow: Flow) {
        self.change(|state| state.set(direction, flow));
    }

    pub(super) fn arm(&self, bytes: Vec<u8>, direction: Direction, flow: Flow) {
        self.change(|state| state.armed = Some(Armed { bytes, direction, flow }));
    }

    pub(super) fn heal(&self) {
        self.change(|state| {
            state.armed = None;
            state.set(Direction::Requests, Flow::Pass);
            state.set(Direction::Replies, Flow::Pass);
            state.pairs.values_mut().for_each(|pair| pair.stranded = false);
        });
    }

    pub(super) fn cut(&self) {
        self.change(|state| {
            state.pairs.values().for_each(Pair::cut);
            state.pairs.clear();
        });
    }

    pub(super) fn strand(&self) {
        self.change(|state| {
            for pair in state.pairs.values_mut() {
                let _ = pair.client.shutdown(Shutdown::Both);
                pair.stranded = true;
            }
        });
    }

    pub(super) fn deliver(&self) {
        self.change(|state| state.pairs.values_mut().for_each(|pair| pair.stranded = false));
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.state().traffic
    }

    pub(super) fn wait_until(&self, done: &mut dyn FnMut(&Traffic) -> bool) -> Option<Traffic> {
        let state = self.state();
        let (state, late) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !done(&state.traffic))
            .unwrap_or_else(PoisonError::into_inner);
        (!late.timed_out()).then_some(state.traffic)
    }

    /// Ends everything, and waits for that.
    pub(super) fn end(&self) {
        self.cut();
        let threads = std::mem::take(&mut self.state().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }

    // For the thread that accepts.

    pub(super) fn close(&self, closed: bool) {
        self.change(|state| state.closed = closed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(super) fn open(&self, client: TcpStream, server: TcpStream) -> u64 {
        let mut id = 0;
        self.change(|state| {
            id = state.traffic.connections;
            state.traffic.connections += 1;
            let pair = Pair { client, server, running: 2, has_lost: [false; 2], stranded: false };
            state.pairs.insert(id, pair);
        });
        id
    }

    pub(super) fn keep(&self, threads: Vec<JoinHandle<()>>) {
        self.change(|state| {
            state.threads.retain(|thread| !thread.is_finished());
            state.threads.extend(threads);
        });
    }

    // For the threads of a connection.

    pub(super) fn arrived(&self, direction: Direction, piece: &[u8]) {
        self.change(|state| {
            state.traffic.of_mut(direction).arrived += piece.len() as u64;
            let is_trigger = |armed: &mut Armed| {
                let length = armed.bytes.len().max(1);
                piece.windows(length).any(|window| window == armed.bytes)
            };
            if direction == Direction::Requests
                && let Some(armed) = state.armed.take_if(is_trigger)
            {
                state.set(armed.direction, armed.flow);
            }
        });
    }

    pub(super) fn passed(&self, direction: Direction, bytes: usize) {
        self.change(|state| state.traffic.of_mut(direction).passed += bytes as u64);
    }

    pub(super) fn cut_one(&self, id: u64) {
        self.change(|state| {
            if let Some(pair) = state.pairs.remove(&id) {
                pair.cut();
            }
        });
    }

    pub(super) fn ended(&self, id: u64) {
        self.change(|state| {
            if let Some(pair) = state.pairs.get_mut(&id) {
                pair.running -= 1;
                if pair.running == 0 {
                    state.pairs.remove(&id);
                }
            }
        });
    }

    /// What to do with so many bytes, which wait since then: once it is certain.
    pub(super) fn step(&self, id: u64, direction: Direction, count: usize, since: Instant) -> Step {
        let mut state = self.state();
        loop {
            let Some(pair) = state.pairs.get_mut(&id) else { return Step::Cut };
            let all = Step::Pass { bytes: count, cut: false };
            let held = pair.stranded && direction == Direction::Requests;
            let flow = if held { Flow::Hold } else { *state.flow_mut(direction) };
            let (due, step) = match flow {
                Flow::Pass => return all,
                Flow::Hold => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Flow::Lose => {
                    if let Some(pair) = state.pairs.get_mut(&id) {
                        pair.has_lost[direction as usize] = true;
                    }
                    state.traffic.of_mut(direction).lost += count as u64;
                    self.changed.notify_all();
                    return Step::Lost;
                }
                Flow::CutAfter(left) if left > count => {
                    *state.flow_mut(direction) = Flow::CutAfter(left - count);
                    return all;
                }
                Flow::CutAfter(left) => {
                    *state.flow_mut(direction) = Flow::Pass;
                    return Step::Pass { bytes: left, cut: true };
                }
                Flow::Delay(by) => (since + by.min(FOREVER), all),
                Flow::Throttle(rate) => {
                    let one = Step::Pass { bytes: 1, cut: false };
                    (since + Duration::from_secs(1) / rate.get(), one)
                }
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return step;
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// The end of time must be a time that there is.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
