//! What a client of the simulation does: a bit of everything that the lock offers.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use redlock_core::{Error, Guard, Lease, Lock, LossReason, Moment, Redlock, Resource};
use redlock_testkit::{MemoryNode, SimClient, SimRandom, SimRuntime};

use crate::{
    chaos::Freezes,
    claim::Ending,
    plan::{Plan, index},
    tokens::Tokens,
    watch::Watch,
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
            let lock = self.redlock.lock(&resource).hold_at_least(self.plan.hold_at_least);
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
            let lock = self.redlock.lock(resource);
            match lock.acquire_within(LONG).await {
                Ok(guard) => self.hold_and_release(guard).await,
                Err(error) => {
                    self.watch.fail(format!("client {} makes no progress: {error}", self.name));
                }
            }
        }
    }

    pub(crate) async fn hold_and_release(&self, guard: Guard) {
        let number = self.claim(&guard, Duration::ZERO);
        self.client.sleep(self.plan.ttl / 10).await;
        self.watch.ends(number, Ending::GivenUp);
        guard.release().await;
        self.watch.end(number);
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

    async fn run(&self, lock: &Lock) {
        let works = self.random().between(Duration::ZERO, self.plan.ttl * 12 / 10);
        let panics = self.random().chance(0.1);
        let actor = self.clone();
        let body = async move |lease: Lease| {
            actor.only_while_held(&lease, actor.client.sleep(works)).await;
            if panics {
                resume_unwind(Box::new("planned"));
            }
        };
        // Acquire, the body, and release.
        let bound = self.retries_take() + self.plan.ttl * 12 / 10 + self.plan.node_timeout;
        let run = AssertUnwindSafe(lock.run(body)).catch_unwind();
        match self.bounded("run", self.interest(), bound, run).await {
            None => self.saw("run cancelled"),
            Some(Err(_)) if panics => self.saw("run panicked"),
            Some(Err(panic)) => resume_unwind(panic),
            Some(Ok(Ok(()))) if works > self.plan.ttl => self.saw("run for longer than a ttl"),
            Some(Ok(Ok(()))) => self.saw("run"),
            Some(Ok(Err(error))) => self.saw_error(&error),
        }
    }

    pub(crate) fn claim(&self, guard: &Guard, hold_at_least: Duration) -> u64 {
        self.watch.begin(&self.client, self.name, guard, hold_at_least)
    }

    /// The most time that the retry policy takes: each attempt asks and cleans up.
    fn retries_take(&self) -> Duration {
        let retry = self.plan.retry;
        let pauses = (1..).map_while(|attempt| retry.pause(attempt, 0));
        let pauses: Vec<_> = pauses.map(|pause| pause.max(Duration::from_millis(1))).collect();
        let attempts = u32::try_from(pauses.len() + 1).unwrap_or(u32::MAX);
        self.plan.node_timeout * 2 * attempts + pauses.into_iter().sum::<Duration>()
    }

    pub(crate) fn until(&self, guard: &Guard) -> Option<Moment> {
        self.sim.at_once(|| guard.lease().until())
    }

    pub(crate) fn random(&self) -> &SimRandom {
        self.sim.random()
    }

    pub(crate) fn saw(&self, what: &'static str) {
        self.sim.note(format_args!("client {}: {what}", self.name));
        self.seen.count(what);
    }

    pub(crate) fn saw_error(&self, error: &Error) {
        self.saw(match error {
            Error::Contended(_) => "contended",
            Error::Unavailable(_) => "unavailable",
            Error::TooSlow(_) => "too slow",
            Error::Lost { reason: LossReason::Expired, .. } => "lost: expired",
            Error::Lost { reason: LossReason::HeldTooLong, .. } => "lost: held too long",
            Error::Lost { .. } => "lost: quorum",
            Error::TimedOut { .. } => "timed out",
            other => panic!("no run is set up wrongly: {other}"),
        });
    }
}

/// The most that a client does in one run.
const OPERATIONS: usize = 6;

/// Enough for everybody in turn when nothing is wrong.
const LONG: Duration = Duration::from_secs(300);
