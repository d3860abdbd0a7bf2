//! What a client of the simulation does: a bit of everything that the lock offers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redlock_core::{Error, Guard, Lease, Lock, LossReason, Moment, Redlock, Resource};
use redlock_testkit::{MemoryNode, SimClient, SimRandom, SimRuntime};

use crate::{
    chaos::Freezes,
    expect::Interest,
    plan::{Plan, index},
    tokens::Tokens,
    watch::{Proof, Watch},
};

/// One client at work.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) sim: SimRuntime,
    pub(crate) client: SimClient,
    pub(crate) name: usize,
    pub(crate) redlock: Redlock,
    pub(crate) resources: Arc<[Resource]>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) freezes: Freezes,
    pub(crate) seen: Arc<Seen>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) nodes: Arc<[MemoryNode]>,
}

/// How often what has been seen, so that a run that never gets anywhere is found out.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<std::collections::BTreeMap<&'static str, u64>>);

impl Seen {
    pub(crate) fn count(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    pub(crate) fn merge_into(&self, all: &mut std::collections::BTreeMap<&'static str, u64>) {
        for (what, count) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            *all.entry(what).or_default() += count;
        }
    }
}

impl Actor {
    /// Works until the horizon.
    pub(crate) async fn work(&self, horizon: Moment) {
        for _ in 0..OPERATIONS {
            self.client.sleep(self.random().between(Duration::ZERO, self.plan.ttl / 2)).await;
            if self.sim.now() >= horizon {
                break;
            }
            let resource = self.resources[index(self.random(), self.resources.len())].clone();
            let lock = self.redlock.lock(&resource).ttl(self.plan.ttl).retry(self.plan.retry);
            if self.random().chance(0.2) {
                self.run(&lock).await;
            } else {
                self.acquire(&lock).await;
            }
            if self.random().chance(0.3) {
                self.redlock.settled().await;
                self.look_for_orphans("while others work");
            }
        }
    }

    /// What is expected of every client when nothing is wrong any more.
    pub(crate) async fn make_progress(&self) {
        for resource in &*self.resources {
            let lock = self.redlock.lock(resource).ttl(self.plan.ttl);
            match lock.acquire_within(LONG).await {
                Ok(guard) => self.hold_and_release(guard).await,
                Err(error) => {
                    self.watch.fail(format!("client {} makes no progress: {error}", self.name));
                }
            }
        }
    }

    async fn hold_and_release(&self, guard: Guard) {
        let number = self.claim(guard);
        self.client.sleep(self.plan.ttl / 10).await;
        if let Some(Proof::Guard(guard)) = self.watch.end(number) {
            guard.release().await;
        }
    }

    async fn acquire(&self, lock: &Lock) {
        let interest = self.interest();
        let timeout = self.plan.node_timeout;
        let result = match self.random().below(3) {
            0 => self.bounded("try_acquire", interest, timeout * 2, lock.try_acquire()).await,
            1 => {
                let bound = self.retries_take();
                self.bounded("acquire", interest, bound, lock.acquire()).await
            }
            _ => {
                let patience = self.random().between(Duration::from_nanos(1), self.plan.ttl * 2);
                let acquire = lock.acquire_within(patience);
                self.bounded("acquire_within", interest, patience, acquire).await
            }
        };
        match result {
            None => self.saw("acquire cancelled"),
            Some(Ok(guard)) => {
                self.saw("acquired");
                self.expect_valid(&guard);
                self.hold(guard).await;
            }
            Some(Err(error)) => self.saw_error(&error),
        }
    }

    async fn hold(&self, guard: Guard) {
        let number = self.claim(guard);
        for _ in 0..self.random().below(4) {
            self.client.sleep(self.random().between(Duration::ZERO, self.plan.ttl * 6 / 10)).await;
            self.extend(number).await;
        }
        let overstay = if self.random().chance(0.2) { self.plan.ttl } else { Duration::ZERO };
        let hold = self.random().between(Duration::ZERO, self.plan.ttl / 2) + overstay;
        self.client.sleep(hold).await;
        self.give_up(number).await;
    }

    async fn extend(&self, number: u64) {
        let proof = Proof::Until(Moment::ORIGIN);
        let Some(Proof::Guard(mut guard)) = self.watch.replace(number, proof) else { return };
        // What the holder knows while he has no guard to ask.
        let valid = self.sim.at_once(|| guard.is_valid());
        if let Some(until) = self.until(&guard).filter(|_| valid) {
            self.watch.replace(number, Proof::Until(until));
        }
        let ttl = self.random().between(self.plan.ttl / 2, self.plan.ttl * 2);
        // Legal for the node timeout that the plan has.
        let ttl = ttl.max(self.plan.ttl);
        let (before, timeout) = (self.until(&guard), self.plan.node_timeout);
        let interest = self.interest();
        let result = self.bounded("extend", interest, timeout, guard.extend(ttl)).await;
        if self.until(&guard) < before {
            self.watch.fail(format!("client {}'s extension shortened its lock", self.name));
        }
        match result {
            None => self.saw("extend cancelled"),
            Some(Ok(())) => self.saw("extended"),
            Some(Err(error)) => {
                self.saw("not extended");
                self.expect_loss_if_certain(&error);
                self.saw_error(&error);
            }
        }
        self.watch.replace(number, Proof::Guard(guard));
        self.watch.check();
    }

    async fn give_up(&self, number: u64) {
        let Some(Proof::Guard(guard)) = self.watch.end(number) else { return };
        let (timeout, interest) = (self.plan.node_timeout, self.interest());
        match self.random().below(4) {
            0 => {
                drop(guard);
                self.saw("dropped");
            }
            1 if self.plan.leases => {
                let lease = guard.into_lease();
                let release = self.redlock.release(&lease);
                drop(self.bounded("release lease", interest, timeout, release).await);
                self.saw("lease released");
            }
            2 if self.plan.leases => self.pass_on(guard.into_lease()).await,
            _ => match self.bounded("release", interest, timeout, guard.release()).await {
                Some(release) if release.is_released() => self.saw("released"),
                Some(_) => self.saw("released too late"),
                None => self.saw("release cancelled"),
            },
        }
    }

    /// The lease goes to somebody else in the same process.
    async fn pass_on(&self, lease: Lease) {
        let timeout = self.plan.node_timeout;
        let adopt = self.redlock.adopt(&lease);
        match self.bounded("adopt", Interest::Lasting, timeout * 2, adopt).await {
            Some(Ok(guard)) => {
                self.saw("adopted");
                self.expect_valid(&guard);
                let late = self.sim.at_once(|| Some(self.client.now())) >= lease.until();
                if self.plan.stalls == 0.0 && late {
                    let name = self.name;
                    self.watch.fail(format!("client {name} adopted a lease after its end"));
                }
                self.hold_and_release(guard).await;
            }
            Some(Err(_)) | None => {
                self.saw("not adopted");
                self.redlock.release(&lease).await;
            }
        }
    }

    async fn run(&self, lock: &Lock) {
        let works = self.random().between(Duration::ZERO, self.plan.ttl * 12 / 10);
        let actor = self.clone();
        let body = async move |lease: Lease| {
            let until = lease.until().unwrap_or_default();
            let (client, name) = (&actor.client, actor.name);
            let (resource, token) = (lease.resource(), lease.token());
            let number = actor.watch.begin(client, name, resource, token, Proof::Until(until));
            let _claim = EndOnDrop { watch: Arc::clone(&actor.watch), number };
            actor.only_while_held(until, client.sleep(works)).await;
        };
        // Acquire, the body, and release.
        let bound = self.retries_take() + self.plan.ttl * 12 / 10 + self.plan.node_timeout;
        match self.bounded("run", self.interest(), bound, lock.run(body)).await {
            None => self.saw("run cancelled"),
            Some(Ok(())) => self.saw("run"),
            Some(Err(error)) => self.saw_error(&error),
        }
    }

    fn claim(&self, guard: Guard) -> u64 {
        let (resource, token) = (guard.resource().clone(), guard.token().clone());
        self.watch.begin(&self.client, self.name, &resource, &token, Proof::Guard(guard))
    }

    /// The most time that the retry policy takes: each attempt asks and cleans up.
    fn retries_take(&self) -> Duration {
        let retry = self.plan.retry;
        let pauses: Vec<Duration> = (1..).map_while(|attempt| retry.pause(attempt, 0)).collect();
        let attempts = u32::try_from(pauses.len() + 1).unwrap_or(u32::MAX);
        self.plan.node_timeout * 2 * attempts + pauses.into_iter().sum::<Duration>()
    }

    fn until(&self, guard: &Guard) -> Option<Moment> {
        self.sim.at_once(|| guard.lease().until())
    }

    pub(crate) fn random(&self) -> &SimRandom {
        self.sim.random()
    }

    fn saw(&self, what: &'static str) {
        self.sim.note(format_args!("client {}: {what}", self.name));
        self.seen.count(what);
    }

    fn saw_error(&self, error: &Error) {
        self.saw(match error {
            Error::Contended(_) => "contended",
            Error::Unavailable(_) => "unavailable",
            Error::TooSlow(_) => "too slow",
            Error::Lost { reason: LossReason::Expired, .. } => "lost: expired",
            Error::Lost { .. } => "lost: quorum",
            Error::TimedOut { .. } => "timed out",
            other => panic!("no run is set up wrongly: {other}"),
        });
    }
}

/// The body of `run` is alive for as long as it may believe that it has the lock.
struct EndOnDrop {
    watch: Arc<Watch>,
    number: u64,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.watch.end(self.number);
    }
}

/// The most that a client does in one run.
const OPERATIONS: usize = 6;

/// Enough for everybody in turn when nothing is wrong.
const LONG: Duration = Duration::from_secs(300);
