//! What those do who wait.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use futures::future::{Either, select};
use redlock_core::{Error, Guard, Lock, Redlock, Renewal, Resource};
use redlock_testkit::{SimClient, SimRandom, SimRuntime};

use super::{
    bound::LONG,
    plan::{MS, Plan, Word},
    vigil::Vigil,
};
use crate::{actor::Seen, plan::index};

/// One task that wants locks.
#[derive(Clone)]
pub(super) struct Waiter {
    pub(super) sim: SimRuntime,
    pub(super) client: SimClient,
    pub(super) name: usize,
    pub(super) redlock: Redlock,
    pub(super) resources: Arc<[Resource]>,
    pub(super) plan: Arc<Plan>,
    pub(super) vigil: Arc<Vigil>,
    pub(super) seen: Arc<Seen>,
    pub(super) forgotten: Arc<Mutex<Vec<Guard>>>,
}

/// Somebody in the queue, until he leaves it or has the lock.
struct Ticket<'a> {
    waiter: &'a Waiter,
    resource: &'a Resource,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.waiter.vigil.leaves(self.number, self.resource);
    }
}

impl Waiter {
    pub(super) async fn work(&self) {
        for _ in 0..OPERATIONS {
            self.pause(self.breath()).await;
            let resource = self.resources[index(self.random(), self.resources.len())].clone();
            let renewal =
                if self.random().chance(0.5) { Renewal::off() } else { Renewal::default() };
            let lock = self.redlock.lock(&resource).renewal(renewal);
            let lock = lock.max_hold(self.plan.ttl * 3 / 2);
            if let Some((number, guard)) = self.wait(&lock, &resource).await {
                self.hold(number, guard, renewal).await;
            }
        }
    }

    /// What is expected when nothing is wrong any more.
    pub(super) async fn make_progress(&self) {
        for resource in &*self.resources {
            let lock = self.redlock.lock(resource);
            match self.queue(resource, lock.acquire_within(LONG)).await {
                Ok((number, guard)) => {
                    self.pause(MS).await;
                    self.vigil.ends(number, resource, guard.token());
                    guard.release().await;
                }
                Err(error) => {
                    self.vigil.fail(format!("process {} makes no progress: {error}", self.name));
                }
            }
        }
    }

    async fn wait(&self, lock: &Lock, resource: &Resource) -> Option<(u64, Guard)> {
        if self.random().chance(0.15) {
            return self.bored(self.queue(resource, lock.acquire())).await;
        }
        let patience = if self.random().chance(0.5) {
            self.random().between(MS, self.plan.ttl / 4)
        } else {
            self.plan.ttl * 4
        };
        self.bored(async {
            // In true time, as what is excused is; patience is measured by the process's own clock.
            let start = self.sim.now();
            let enough = self.client.true_time(self.now().after(patience)).since(start);
            let done = self.queue(resource, lock.acquire_within(patience)).await;
            let took = self.sim.now().since(start);
            let excused = self.vigil.frozen_since(self.name, start);
            if took > enough + MS + excused {
                let name = self.name;
                self.vigil.fail(format!("process {name} waits for {took:?}, not {enough:?}"));
            }
            done
        })
        .await
    }

    /// May lose interest.
    async fn bored(
        &self,
        wait: impl Future<Output = Result<(u64, Guard), Error>>,
    ) -> Option<(u64, Guard)> {
        if !self.random().chance(self.plan.impatience) {
            return self.what_came(wait.await);
        }
        if self.random().chance(0.3) {
            // In the very moment in which something has come for him.
            let mut polls = 1 + self.random().below(4);
            let mut wait = pin!(wait);
            let done = poll_fn(|cx| match polls {
                0 => Poll::Ready(None),
                _ => {
                    polls -= 1;
                    wait.as_mut().poll(cx).map(Some)
                }
            });
            let done = done.await;
            if done.is_none() {
                self.saw("cancelled when woken");
            }
            return done.and_then(|done| self.what_came(done));
        }
        let leaves = pin!(self.client.sleep(self.breath() * 3));
        match select(pin!(wait), leaves).await {
            Either::Left((done, _)) => self.what_came(done),
            Either::Right(_) => {
                self.saw("cancelled");
                None
            }
        }
    }

    fn what_came(&self, done: Result<(u64, Guard), Error>) -> Option<(u64, Guard)> {
        self.saw(match &done {
            Ok(_) => "acquired",
            Err(Error::TimedOut { .. }) => "timed out",
            Err(Error::Contended(_)) => "contended",
            Err(Error::Unavailable(_)) => "unavailable",
            Err(Error::TooSlow(_)) => "too slow",
            Err(other) => panic!("no run is set up wrongly: {other}"),
        });
        done.ok()
    }

    /// Waits, and is known to do so.
    async fn queue(
        &self,
        resource: &Resource,
        acquire: impl Future<Output = Result<Guard, Error>>,
    ) -> Result<(u64, Guard), Error> {
        let mut ticket = None;
        let mut acquire = pin!(acquire);
        let guard = poll_fn(|cx| {
            // Whoever is polled first comes first.
            ticket.get_or_insert_with(|| {
                let number = self.vigil.waits(self.name, resource);
                Ticket { waiter: self, resource, number }
            });
            acquire.as_mut().poll(cx)
        })
        .await?;
        let number = ticket.as_ref().map_or(0, |ticket| ticket.number);
        self.vigil.holds(number, &guard);
        Ok((number, guard))
    }

    async fn hold(&self, number: u64, guard: Guard, renewal: Renewal) {
        let (resource, token) = (guard.resource().clone(), guard.token().clone());
        self.pause(self.breath()).await;
        let ends = || self.vigil.ends(number, &resource, &token);
        match self.random().below(12) {
            0..5 => {
                ends();
                self.saw("released");
                guard.release().await;
            }
            5..9 => {
                ends();
                self.saw("dropped");
                drop(guard);
            }
            9 => {
                self.saw("forgotten");
                let loss = guard.loss();
                self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).push(guard);
                loss.lost().await;
                ends();
            }
            10 if renewal == Renewal::off() => {
                self.saw("overstayed");
                guard.lost().await;
                ends();
            }
            _ => {
                if self.plan.word == Word::MayBeLost {
                    self.saw("frozen");
                    let lasts = self.random().between(Duration::ZERO, self.plan.ttl);
                    self.vigil.freezes(self.name, self.sim.now().after(lasts));
                    self.client.freeze(lasts);
                    self.pause(MS).await;
                }
                ends();
                guard.release().await;
            }
        }
    }

    /// About as long as a few messages take, or much longer.
    fn breath(&self) -> Duration {
        let few = self.plan.network.longest_latency * 6;
        let most = if self.random().chance(0.8) { few } else { few.max(self.plan.ttl / 20) };
        self.random().between(Duration::ZERO, most)
    }

    async fn pause(&self, pause: Duration) {
        self.client.sleep(pause).await;
    }

    fn now(&self) -> redlock_core::Moment {
        self.sim.at_once(|| self.client.now())
    }

    fn random(&self) -> &SimRandom {
        self.sim.random()
    }

    fn saw(&self, what: &'static str) {
        self.sim.note(format_args!("process {}: {what}", self.name));
        self.seen.count(what);
    }
}

/// The most that one does in a run.
const OPERATIONS: usize = 4;
