//! What must be true after every step.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::oneshot;
use redlock_core::{Guard, Moment, Resource, Token};
use redlock_testkit::{MemoryNode, SimClient, SimRuntime};

/// Sees every claim to hold a lock, and compares them with each other and with the nodes, in true
/// time.
pub(crate) struct Watch {
    sim: SimRuntime,
    nodes: Vec<MemoryNode>,
    /// Whether nodes do what the proofs rely on.
    trust_nodes: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    claims: BTreeMap<u64, Claim>,
    numbered: u64,
    violation: Option<String>,
    alarm: Option<oneshot::Sender<()>>,
}

/// Somebody who may believe that he holds a lock.
struct Claim {
    client: SimClient,
    name: usize,
    resource: Resource,
    token: Token,
    proof: Proof,
    /// Whether it has been seen not to hold any more.
    over: bool,
}

/// By what he believes so.
pub(crate) enum Proof {
    /// The guard says so when it is asked.
    Guard(Guard),
    /// The guard cannot be asked just now, but it has said so until this moment of his clock.
    Until(Moment),
}

impl Watch {
    pub(crate) fn new(sim: &SimRuntime, nodes: &[MemoryNode], trust_nodes: bool) -> Arc<Self> {
        Arc::new(Self {
            sim: sim.clone(),
            nodes: nodes.to_vec(),
            trust_nodes,
            state: Mutex::default(),
        })
    }

    /// A claim begins.
    pub(crate) fn begin(
        &self,
        client: &SimClient,
        name: usize,
        resource: &Resource,
        token: &Token,
        proof: Proof,
    ) -> u64 {
        let mut state = self.state();
        state.numbered += 1;
        let number = state.numbered;
        let (client, resource, token) = (client.clone(), resource.clone(), token.clone());
        state.claims.insert(number, Claim { client, name, resource, token, proof, over: false });
        drop(state);
        self.check();
        number
    }

    /// The proof of a claim is replaced. Returns the old one.
    pub(crate) fn replace(&self, number: u64, proof: Proof) -> Option<Proof> {
        let mut state = self.state();
        let claim = state.claims.get_mut(&number)?;
        Some(std::mem::replace(&mut claim.proof, proof))
    }

    /// A claim ends.
    pub(crate) fn end(&self, number: u64) -> Option<Proof> {
        let claim = self.state().claims.remove(&number);
        Some(claim?.proof)
    }

    /// Ends all claims, without a word to their guards' owners.
    pub(crate) fn end_all(&self) {
        let claims = std::mem::take(&mut self.state().claims);
        drop(claims);
    }

    pub(crate) fn fail(&self, violation: String) {
        let now = self.sim.now().since_origin();
        let mut state = self.state();
        state.violation.get_or_insert_with(|| format!("{violation} (at {now:?})"));
        let alarm = state.alarm.take();
        drop(state);
        if let Some(alarm) = alarm {
            // Nobody listens any more if the run is over.
            let _ = alarm.send(());
        }
    }

    /// Completes at the first thing that is wrong.
    pub(crate) fn alarm(&self) -> oneshot::Receiver<()> {
        let (sender, alarm) = oneshot::channel();
        self.state().alarm = Some(sender);
        alarm
    }

    /// The first thing that was wrong.
    pub(crate) fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    pub(crate) fn check(&self) {
        let violation = self.sim.at_once(|| self.find());
        if let Some(violation) = violation {
            self.fail(violation);
        }
    }

    fn find(&self) -> Option<String> {
        if self.sim.steps() > NO_END_IN_SIGHT {
            return Some(format!("no end is in sight after {NO_END_IN_SIGHT} steps"));
        }
        let mut state = self.state();
        let mut valid: Vec<&Claim> = Vec::new();
        for claim in state.claims.values_mut() {
            let Some(until) = claim.valid_until() else {
                claim.over = true;
                continue;
            };
            if claim.over {
                // Somebody else may have had it in between.
                let (name, resource) = (claim.name, &claim.resource);
                return Some(format!("client {name}'s lock of {resource} has come back to life"));
            }
            if let Some(other) = valid.iter().find(|other| other.resource == claim.resource) {
                let (a, b, resource) = (other.name, claim.name, &claim.resource);
                return Some(format!("clients {a} and {b} hold {resource} at the same time"));
            }
            valid.push(claim);
            if self.trust_nodes && !self.is_backed(claim, until) {
                let (name, resource) = (claim.name, &claim.resource);
                return Some(format!("client {name} trusts {resource} for longer than a quorum"));
            }
        }
        None
    }

    /// Whether a quorum of nodes keeps the key at least until then.
    fn is_backed(&self, claim: &Claim, until: Moment) -> bool {
        let until = claim.client.true_time(until);
        let backs = |node: &&MemoryNode| {
            node.end_of_key(&claim.resource, &claim.token).is_some_and(|end| end >= until)
        };
        self.nodes.iter().filter(backs).count() > self.nodes.len() / 2
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Until when it holds by its own clock; `None` if it does not hold any more.
    fn valid_until(&self) -> Option<Moment> {
        match &self.proof {
            Proof::Guard(guard) => guard.is_valid().then(|| guard.lease().until())?,
            Proof::Until(until) => (self.client.now() < *until).then_some(*until),
        }
    }
}

/// Many times what any legal run has taken.
const NO_END_IN_SIGHT: u64 = 1_000_000;
