//! What must be true after every step of those who wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures::channel::oneshot;
use redlock_core::{Guard, LossSignal, Moment, Resource, Token};
use redlock_testkit::{MemoryNode, SimRuntime};

use super::{
    bound::{Bound, Cuts, MOST_ATTEMPTS},
    plan::{Plan, Word},
};

/// Sees who waits, who asks and who holds, in true time, and changes nothing.
pub(super) struct Vigil {
    sim: SimRuntime,
    quorum: usize,
    nodes: OnceLock<Vec<MemoryNode>>,
    state: Mutex<State>,
}

struct State {
    scenes: BTreeMap<Resource, Scene>,
    numbered: u64,
    bound: Bound,
    cuts: Cuts,
    /// Until when the process was or is frozen.
    frozen: BTreeMap<usize, Moment>,
    /// What nodes had been asked when their keys were looked at.
    asked: u64,
    violation: Option<String>,
    alarm: Option<oneshot::Sender<()>>,
}

/// One resource.
#[derive(Default)]
struct Scene {
    /// Who waits, in the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    holders: BTreeMap<u64, (usize, LossSignal)>,
    /// Until when a quorum of nodes has kept what they all have had.
    kept: BTreeMap<Token, Moment>,
    /// Locks that were had, and those that were given up while they were held.
    had: BTreeSet<Token>,
    given_up: BTreeSet<Token>,
    /// The last moment at which somebody held it.
    held: Moment,
    /// When each process has last asked, or had a change in its queue, and how often it has asked
    /// since the resource was held.
    stirred: BTreeMap<usize, (Moment, u32)>,
    /// How many of a process have stopped waiting without the lock, and how often it has told all.
    unlucky: BTreeMap<usize, u64>,
    told_all: BTreeMap<usize, u64>,
}

struct Waiting {
    client: usize,
    since: Moment,
}

impl Vigil {
    pub(super) fn new(sim: &SimRuntime, plan: &Plan) -> Arc<Self> {
        let state = State {
            scenes: BTreeMap::new(),
            numbered: 0,
            bound: Bound::of(plan),
            cuts: Cuts::default(),
            frozen: BTreeMap::new(),
            asked: 0,
            violation: None,
            alarm: None,
        };
        let (quorum, nodes) = (plan.quorum(), OnceLock::new());
        Arc::new(Self { sim: sim.clone(), quorum, nodes, state: Mutex::new(state) })
    }

    pub(super) fn look_at(&self, nodes: &[MemoryNode]) {
        // It is told once.
        let _ = self.nodes.set(nodes.to_vec());
    }

    /// Completes when something is wrong.
    pub(super) fn alarm(&self) -> oneshot::Receiver<()> {
        let (alarm, alarmed) = oneshot::channel();
        self.state().alarm = Some(alarm);
        alarmed
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    pub(super) fn fail(&self, what: String) {
        self.state().fail(what);
    }

    /// From now on this bound counts.
    pub(super) fn expect(&self, bound: Bound) {
        let mut state = self.state();
        state.bound = bound;
        for scene in state.scenes.values_mut() {
            scene.stirred.values_mut().for_each(|(_, attempts)| *attempts = 0);
        }
    }

    /// Streams end now.
    pub(super) fn cuts(&self) {
        let now = self.sim.now();
        self.state().cuts.enter(now);
    }

    pub(super) fn freezes(&self, client: usize, until: Moment) {
        let mut state = self.state();
        let frozen = state.frozen.entry(client).or_default();
        *frozen = until.max(*frozen);
    }

    /// How long the process may have been frozen since this moment.
    pub(super) fn frozen_since(&self, client: usize, moment: Moment) -> Duration {
        self.state().frozen.get(&client).copied().unwrap_or_default().since(moment)
    }

    /// Somebody begins to wait.
    pub(super) fn waits(&self, client: usize, resource: &Resource) -> u64 {
        let since = self.sim.now();
        let mut state = self.state();
        state.numbered += 1;
        let number = state.numbered;
        state.scene(resource).waiting.insert(number, Waiting { client, since });
        number
    }

    /// He has stopped, without the lock.
    pub(super) fn leaves(&self, number: u64, resource: &Resource) {
        let now = self.sim.now();
        let mut state = self.state();
        let scene = state.scene(resource);
        let Some(Waiting { client, .. }) = scene.waiting.remove(&number) else { return };
        scene.stirs(client, now);
        *scene.unlucky.entry(client).or_default() += 1;
    }

    /// He has got it.
    pub(super) fn holds(&self, number: u64, guard: &Guard) {
        let valid = self.sim.at_once(|| guard.is_valid());
        let mut state = self.state();
        let scene = state.scene(guard.resource());
        let Some(Waiting { client, .. }) = scene.waiting.remove(&number) else { return };
        scene.holders.insert(number, (client, guard.loss()));
        scene.had.insert(guard.token().clone());
        let before = scene.waiting.range(..number).find(|(_, other)| other.client == client);
        let overtaken = before.map(|(before, _)| *before);
        if let Some(before) = overtaken {
            state.fail(format!("number {number} of process {client} has overtaken {before}"));
        }
        if !valid {
            state.fail(format!("process {client} was given a guard that is not valid"));
        }
    }

    /// He is about to give it up, or has lost it.
    pub(super) fn ends(&self, number: u64, resource: &Resource, token: &Token) {
        self.sim.at_once(|| self.check());
        let now = self.sim.now();
        let mut state = self.state();
        let may_be_lost = state.bound.word == Word::MayBeLost;
        let scene = state.scene(resource);
        let Some((client, loss)) = scene.holders.remove(&number) else { return };
        if self.sim.at_once(|| loss.is_valid()) {
            scene.held = now;
            if !may_be_lost {
                scene.kept.remove(token);
                scene.given_up.insert(token.clone());
            }
        }
        scene.stirs(client, now);
        drop(state);
        drop(loss);
    }

    /// A process asks the nodes.
    pub(super) fn asks(&self, client: usize, resource: &Resource) {
        let now = self.sim.now();
        let mut state = self.state();
        let scene = state.scene(resource);
        scene.stirs(client, now);
        let (_, attempts) = scene.stirred.entry(client).or_default();
        *attempts += 1;
    }

    /// Those who wait are told that a lock is given up (requirement R50).
    pub(super) fn tells_of(&self, client: usize, resource: &Resource, token: &Token) {
        let mut state = self.state();
        if !state.scene(resource).had.contains(token) {
            state.fail(format!("process {client} tells of an attempt that has failed"));
        }
    }

    /// Those who wait are told that a lock was not taken that had been handed to somebody.
    pub(super) fn tells_all(&self, client: usize, resource: &Resource) {
        let mut state = self.state();
        let scene = state.scene(resource);
        let told = scene.told_all.entry(client).or_default();
        *told += 1;
        if *told > scene.unlucky.get(&client).copied().unwrap_or_default() {
            state.fail(format!("process {client} tells of more than was not taken"));
        }
    }

    /// Nobody waits any more, and what was under way has arrived.
    pub(super) fn nobody_listens(&self, when: &str) {
        let state = &mut *self.state();
        for node in self.nodes.get().into_iter().flatten() {
            for resource in state.scenes.keys() {
                let left = node.subscriptions(resource);
                if left > 0 {
                    let what = format!("{left} still listen {when}");
                    state.violation.get_or_insert(what);
                }
            }
            if let Some(key) = node.keys().first() {
                let what = format!("an orphan {when}: {key:?}");
                state.violation.get_or_insert(what);
            }
        }
    }

    pub(super) fn check(&self) {
        let now = self.sim.now();
        let mut state = self.state();
        if state.violation.is_some() {
            return;
        }
        self.note_keys(&mut state, now);
        let State { scenes, bound, cuts, frozen, .. } = &mut *state;
        let wrong = scenes.iter_mut().find_map(|(resource, scene)| {
            let held = scene.holders.values().filter(|(_, loss)| loss.is_valid()).count();
            if held > 1 {
                return Some(format!("{held} hold {resource} at the same time"));
            }
            if held == 1 {
                scene.held = now;
                scene.stirred.values_mut().for_each(|(_, attempts)| *attempts = 0);
                return None;
            }
            scene.overdue(resource, |attempts| bound.after(attempts, cuts), bound.word, frozen, now)
        });
        if let Some(wrong) = wrong {
            state.fail(wrong);
        }
    }

    /// What a quorum of nodes has just been asked to keep for one holder.
    fn note_keys(&self, state: &mut State, now: Moment) {
        let nodes = self.nodes.get().map(Vec::as_slice).unwrap_or_default();
        let calls = nodes.iter().map(MemoryNode::calls);
        let asked = calls.map(|calls| calls.acquire + calls.extend).sum();
        if std::mem::replace(&mut state.asked, asked) == asked {
            return;
        }
        let mut keys: BTreeMap<(Resource, Token), (usize, Moment)> = BTreeMap::new();
        for key in nodes.iter().flat_map(MemoryNode::keys) {
            let kept = keys.entry((key.resource, key.token)).or_default();
            *kept = (kept.0 + 1, kept.1.max(now.after(key.remaining)));
        }
        for ((resource, token), (count, until)) in keys {
            let scene = state.scene(&resource);
            if count >= self.quorum && !scene.given_up.contains(&token) {
                scene.kept.insert(token, until);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn scene(&mut self, resource: &Resource) -> &mut Scene {
        if !self.scenes.contains_key(resource) {
            self.scenes.insert(resource.clone(), Scene::default());
        }
        self.scenes.get_mut(resource).expect("it has just been put there")
    }

    fn fail(&mut self, what: String) {
        self.violation.get_or_insert(what);
        // Who has stopped listening knows of an earlier one.
        drop(self.alarm.take());
    }
}

impl Scene {
    fn stirs(&mut self, client: usize, now: Moment) {
        self.stirred.entry(client).or_default().0 = now;
    }

    /// Who waits although nobody holds it, and does nothing about it.
    fn overdue(
        &self,
        resource: &Resource,
        bound: impl Fn(u32) -> Duration,
        word: Word,
        frozen: &BTreeMap<usize, Moment>,
        now: Moment,
    ) -> Option<String> {
        let free = self.kept.values().copied().fold(self.held, Moment::max);
        if free >= now {
            return None;
        }
        let thawed = |client: &usize| frozen.get(client).copied().unwrap_or_default();
        let mut idle: BTreeMap<usize, (Moment, u32)> = BTreeMap::new();
        for Waiting { client, since } in self.waiting.values() {
            // The first of them counts.
            idle.entry(*client).or_insert_with(|| {
                let (stirred, attempts) = self.stirred.get(client).copied().unwrap_or_default();
                (free.max(*since).max(stirred).max(thawed(client)), attempts)
            });
        }
        if word == Word::MayBeLost {
            return idle.iter().find_map(|(client, (since, attempts))| {
                let (idle, bound) = (now.since(*since), bound(*attempts));
                (idle > bound).then(|| {
                    format!("process {client} waits for {resource} and does not ask for {idle:?}, of {bound:?}")
                })
            });
        }
        let since = idle.values().map(|(since, _)| *since).max()?;
        let stirred = self.stirred.values().map(|(stirred, _)| *stirred).max();
        let attempts = idle.values().map(|(_, attempts)| *attempts).max().unwrap_or_default();
        let (idle, bound) = (now.since(stirred.unwrap_or_default().max(since)), bound(attempts));
        if idle > bound {
            return Some(format!("nobody asks for {resource} for {idle:?}, of {bound:?}"));
        }
        (attempts > MOST_ATTEMPTS).then(|| format!("nobody gets {resource} in {attempts} attempts"))
    }
}
