//! What must be true after every step.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::channel::oneshot;
use redlock_core::{Drift, Guard, LossReason, Moment, Resource, Token, Ttl};
use redlock_testkit::{MemoryNode, SimClient, SimRuntime};

use crate::{
    chaos::Freezes,
    claim::{Claim, Ending, Listener, Reserved, Told},
    plan::{CLOCK_ERROR, Plan},
};

/// Sees every claim to hold a lock, and compares them with each other and with the nodes, in true
/// time.
pub(crate) struct Watch {
    sim: SimRuntime,
    nodes: Vec<MemoryNode>,
    plan: Arc<Plan>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    claims: BTreeMap<u64, Claim>,
    numbered: u64,
    /// Until when nobody else may hold what somebody has given up or lost.
    reserved: Vec<Reserved>,
    freezes: Freezes,
    violation: Option<String>,
    alarm: Option<oneshot::Sender<()>>,
    told: Told,
}

impl Watch {
    pub(crate) fn new(sim: &SimRuntime, nodes: &[MemoryNode], plan: &Arc<Plan>) -> Arc<Self> {
        let (sim, nodes, plan) = (sim.clone(), nodes.to_vec(), Arc::clone(plan));
        Arc::new(Self { sim, nodes, plan, state: Mutex::default() })
    }

    /// When whom nobody can expect to be quick.
    pub(crate) fn excuse(&self, freezes: &Freezes) {
        self.state().freezes = freezes.clone();
    }

    /// A claim begins, of a lock that is kept for a while when it is released.
    pub(crate) fn begin(
        &self,
        client: &SimClient,
        name: usize,
        guard: &Guard,
        hold_at_least: Duration,
    ) -> u64 {
        let number = self.sim.at_once(|| {
            let mut state = self.state();
            state.numbered += 1;
            let number = state.numbered;
            let (client, began, lease) = (client.clone(), client.now(), guard.lease());
            let until = lease.until().unwrap_or_default();
            let claim = Claim {
                client,
                name,
                resource: lease.resource().clone(),
                token: lease.token().clone(),
                signal: guard.loss(),
                started: until.before(self.validity(lease.ttl())),
                began,
                hold_at_least,
                until,
                over: None,
                ending: None,
                listener: Listener::Nobody,
                stalled: self.sim.stalled(),
            };
            state.claims.insert(number, claim);
            number
        });
        self.check();
        number
    }

    /// From now on somebody waits to be told of the loss.
    pub(crate) fn listens(&self, number: u64) {
        if let Some(claim) = self.state().claims.get_mut(&number) {
            claim.listener = Listener::Waiting;
        }
    }

    /// Who waited has been told this. Says whether that was after the end of validity, which only a
    /// pause excuses.
    pub(crate) fn told(&self, number: u64, reason: Option<LossReason>) -> bool {
        let mut late = false;
        let wrong = self.sim.at_once(|| {
            let mut state = self.state();
            let State { claims, told, .. } = &mut *state;
            let claim = claims.get_mut(&number)?;
            claim.listener = Listener::Told;
            let (name, resource) = (claim.name, &claim.resource);
            match (reason, claim.ending) {
                (Some(_), Some(Ending::HandedOn)) => {
                    return Some(format!("client {name} is told of the loss of what it handed on"));
                }
                (None, None) => {
                    return Some(format!("client {name} is told that {resource} was not lost"));
                }
                (None, Some(_)) => return None,
                (Some(_), _) => {}
            }
            if claim.signal.is_valid() {
                return Some(format!("client {name} is told of a loss of {resource} too soon"));
            }
            let margin = claim.until.since(claim.client.now());
            late = margin.is_zero();
            let margin = Some(margin).filter(|_| !late);
            *told = told.and(Told { losses: 1, margin, bodies: 0 });
            None
        });
        if let Some(wrong) = wrong {
            self.fail(wrong);
        }
        late
    }

    /// Its holder is about to end the claim.
    pub(crate) fn ends(&self, number: u64, ending: Ending) {
        self.check();
        self.sim.at_once(|| {
            let mut state = self.state();
            let State { claims, reserved, .. } = &mut *state;
            let Some(claim) = claims.get_mut(&number) else { return };
            // What was lost before cannot be handed on.
            let handed_on = ending == Ending::HandedOn && claim.signal.is_valid();
            claim.ending = Some(if handed_on { ending } else { Ending::GivenUp });
            // He has stopped, or the next holder is one with him.
            reserved.retain(|reserved| reserved.number != number);
            let least = claim.hold_at_least.min(self.validity(ttl(self.plan.ttl)));
            if ending == Ending::GivenUp && !least.is_zero() && self.plan.trust_nodes {
                let until = claim.client.true_time(claim.started.after(least));
                reserved.push(claim.reserved(number, until, "before the shortest hold was over"));
            }
        });
    }

    /// A claim has ended.
    pub(crate) fn end(&self, number: u64) {
        self.check();
        let claim = self.state().claims.remove(&number);
        drop(claim);
    }

    /// Ends all claims.
    pub(crate) fn end_all(&self) {
        let claims = std::mem::take(&mut self.state().claims);
        drop(claims);
    }

    /// The body of a `run` is about to be polled, which it must be only with the lock: nobody else
    /// has it, and a quorum of nodes keeps it for as long as is put aside for this.
    pub(crate) fn polls(&self, client: &SimClient, name: usize, what: (&Resource, &Token)) {
        let (resource, token) = what;
        self.state().told.bodies += 1;
        let Plan { stalls, grace, .. } = *self.plan;
        let covered = if stalls == 0.0 {
            let drift = Drift::default().allowance(ttl(self.plan.ttl));
            // Exactly, if clocks are.
            let drift = if self.plan.clock_error == 0.0 { drift } else { Duration::ZERO };
            self.trusted_grace() + drift
        } else if grace > self.plan.longest_stall() {
            // What is read from the clock may be as old as that.
            Duration::ZERO
        } else {
            return;
        };
        let wrong = self.sim.at_once(|| {
            let state = self.state();
            let mut others = state.claims.values().filter(|claim| {
                claim.resource == *resource && claim.token != *token && claim.signal.is_valid()
            });
            if let Some(other) = others.next() {
                let other = other.name;
                return Some(format!("client {name} runs its body while {other} holds {resource}"));
            }
            let until = self.sim.now().after(covered);
            let backed = !self.plan.trust_nodes || self.is_kept(resource, token, until);
            (!backed).then(|| format!("client {name} runs its body without the lock"))
        });
        let _ = client;
        if let Some(wrong) = wrong {
            self.fail(wrong);
        }
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

    /// What was told so far.
    pub(crate) fn so_far(&self) -> Told {
        self.state().told
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
        let State { claims, reserved, freezes, .. } = &mut *state;
        let now = self.sim.now();
        if !reserved.is_empty() {
            reserved.retain(|reserved| reserved.until > now);
        }
        let mut valid: Vec<&Claim> = Vec::new();
        for (&number, claim) in claims {
            let (name, resource) = (claim.name, &claim.resource);
            let remaining = claim.signal.remaining();
            if remaining.is_zero() {
                if claim.over.is_none() {
                    claim.over = Some(now);
                    reserved.extend(self.grace_of(number, claim, now));
                }
                if self.is_late(claim, freezes, now) {
                    return Some(format!(
                        "client {name} is not told in time that {resource} is lost"
                    ));
                }
                continue;
            }
            claim.until = claim.client.now().after(remaining);
            if claim.over.is_some() {
                // Somebody else may have had it in between.
                return Some(format!("client {name}'s lock of {resource} has come back to life"));
            }
            if claim.until > claim.began.after(self.plan.max_hold) {
                return Some(format!("client {name} holds {resource} for longer than it may"));
            }
            if let Some(other) = valid.iter().find(|other| other.resource == *resource) {
                let other = other.name;
                return Some(format!(
                    "clients {other} and {name} hold {resource} at the same time"
                ));
            }
            if let Some(kept) = reserved.iter().find(|reserved| reserved.keeps_out(claim)) {
                let (other, why) = (kept.name, kept.why);
                return Some(format!("client {name} holds {resource} of client {other} {why}"));
            }
            valid.push(claim);
            if self.plan.trust_nodes && !self.is_backed(claim) {
                return Some(format!("client {name} trusts {resource} for longer than a quorum"));
            }
        }
        None
    }

    /// Whether a quorum of nodes keeps the key for as long as it is trusted, and the grace.
    fn is_backed(&self, claim: &Claim) -> bool {
        let until = claim.client.true_time(claim.until).after(self.trusted_grace());
        self.is_kept(&claim.resource, &claim.token, until)
    }

    fn is_kept(&self, resource: &Resource, token: &Token, until: Moment) -> bool {
        let keeps =
            |node: &&MemoryNode| node.end_of_key(resource, token).is_some_and(|end| end >= until);
        self.nodes.iter().filter(keeps).count() > self.nodes.len() / 2
    }

    /// For how long nobody else may have what has just been lost.
    fn grace_of(&self, number: u64, claim: &Claim, now: Moment) -> Option<Reserved> {
        if claim.ending.is_some() || self.plan.grace.is_zero() || !self.plan.trust_nodes {
            return None;
        }
        let until = now.min(claim.client.true_time(claim.until)).after(self.trusted_grace());
        Some(claim.reserved(number, until, "within its grace"))
    }

    /// What of the grace can be relied on whoever's clock counts it.
    fn trusted_grace(&self) -> Duration {
        if self.plan.clock_error == 0.0 {
            return self.plan.grace;
        }
        self.plan.grace.mul_f64(1.0 - 2.1 * CLOCK_ERROR)
    }

    /// Whether the holder of a lock that is over should have been told by now.
    fn is_late(&self, claim: &Claim, freezes: &Freezes, now: Moment) -> bool {
        let Some(over) = claim.over else { return false };
        if claim.listener != Listener::Waiting || claim.ending.is_some() {
            return false;
        }
        let (until, began) = (claim.client.true_time(claim.until), claim.began);
        let due = over.min(until.max(claim.client.true_time(began)));
        let hindered = freezes.of(claim.name, due.before(LEAD), now)
            + (self.sim.stalled() - claim.stalled)
            + self.plan.step_time * STEPS;
        now.since(due) > hindered
    }

    fn validity(&self, ttl: Ttl) -> Duration {
        Drift::default().validity(ttl)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ttl(ttl: Duration) -> Ttl {
    Ttl::new(ttl).expect("the plan is legal")
}

/// Many times what any legal run has taken.
const NO_END_IN_SIGHT: u64 = 1_000_000;

/// How much before the end of validity a loss is told.
const LEAD: Duration = Duration::from_millis(2);

/// How many tasks of a process may be polled before the one that is told.
const STEPS: u32 = 60;
