//! The blocking API, whose calls are done when they return.

use std::{thread, time::Duration};

use redlock_testkit::MemoryCache;
use redlocks::{
    ComputeError, Error, Found, Lease, Listed, LossReason, Release, Renewal, Reset, ResourceSet,
    Retry, Status, Token,
    blocking::{Guard, Lock, Redlock, Reentrant, ReentrantGuard},
};

use crate::client;

impl client::Client for Redlock {
    type Lock = Lock;

    fn lock(&self, resource: &str) -> Lock {
        Self::lock(self, resource)
    }
    fn lock_all(&self, resources: &[&str]) -> Lock {
        Self::lock_all(self, resources.iter().copied())
    }
    async fn inspect(&self, resource: &str) -> Result<Status, Error> {
        self.inspect(resource)
    }
    async fn is_locked(&self, resource: &str) -> Result<bool, Error> {
        self.is_locked(resource)
    }
    async fn reset(&self, resource: &str) -> Result<Reset, Error> {
        self.reset(resource)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        Ok(Self::list(self, prefix)?.map(Result::unwrap).collect())
    }
    async fn reset_all(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        Ok(Self::reset_all(self, prefix)?.map(Result::unwrap).collect())
    }
    async fn get_or_compute(
        &self,
        cache: &MemoryCache,
        compute: impl FnOnce() -> Result<String, &'static str>,
    ) -> Result<Found<String>, ComputeError<&'static str>> {
        self.get_or_compute(cache, "k", client::LONG).run(compute)
    }
    async fn adopt(&self, lease: &Lease) -> Result<Guard, Error> {
        self.adopt(lease)
    }
    async fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error> {
        self.extend(lease, ttl)
    }
    async fn release(&self, lease: &Lease) -> Release {
        self.release(lease).unwrap()
    }
    async fn settled(&self) {
        assert!(self.settled(client::LONG).unwrap());
    }
    async fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
    fn release_later(&self, guard: Guard, after: Duration) {
        thread::spawn(move || {
            thread::sleep(after);
            guard.release().unwrap();
        });
    }
}

impl client::Lock for Lock {
    type Guard = Guard;
    type Owner = Reentrant;

    fn ttl(self, ttl: Duration) -> Self {
        self.ttl(ttl)
    }
    fn renewal(self, renewal: Renewal) -> Self {
        self.renewal(renewal)
    }
    fn max_hold(self, max_hold: Duration) -> Self {
        self.max_hold(max_hold)
    }
    fn hold_at_least(self, hold_at_least: Duration) -> Self {
        self.hold_at_least(hold_at_least)
    }
    fn owner(self, owner: &str) -> Self {
        self.owner(owner)
    }
    fn retry(self, retry: Retry) -> Self {
        self.retry(retry)
    }
    fn wait(self, patience: Duration) -> Self {
        self.wait(patience)
    }
    fn reentrant(&self) -> Reentrant {
        self.reentrant()
    }
    async fn try_acquire(&self) -> Result<Guard, Error> {
        self.try_acquire()
    }
    async fn try_acquire_as(&self, token: Token) -> Result<Guard, Error> {
        self.try_acquire_as(token)
    }
    async fn acquire(&self) -> Result<Guard, Error> {
        self.acquire()
    }
    async fn acquire_within(&self, patience: Duration) -> Result<Guard, Error> {
        self.acquire_within(patience)
    }
    async fn run(&self, time: Duration) -> Result<Token, Error> {
        self.run(|guard| {
            thread::sleep(time);
            guard.token().clone()
        })
    }
}

impl client::Owner for Reentrant {
    type Guard = ReentrantGuard;

    async fn try_acquire(&self) -> Result<ReentrantGuard, Error> {
        self.try_acquire()
    }
    async fn acquire(&self) -> Result<ReentrantGuard, Error> {
        self.acquire()
    }
    async fn acquire_within(&self, patience: Duration) -> Result<ReentrantGuard, Error> {
        self.acquire_within(patience)
    }
}

macro_rules! held {
    ($guard:ty) => {
        impl client::Held for $guard {
            fn resources(&self) -> &ResourceSet {
                self.resources()
            }
            fn owner(&self) -> Option<&str> {
                self.owner()
            }
            fn lease(&self) -> Lease {
                self.lease()
            }
            fn is_valid(&self) -> bool {
                self.is_valid()
            }
            fn remaining(&self) -> Duration {
                self.remaining()
            }
            fn margin(&self) -> usize {
                self.margin()
            }
            fn check(&self) -> Result<(), Error> {
                self.check()
            }
            fn reason(&self) -> Option<LossReason> {
                self.loss().reason()
            }
            fn signal(&self) -> (bool, Duration) {
                (self.loss().is_valid(), self.loss().remaining())
            }
            async fn lost(&self, limit: Duration) -> Option<LossReason> {
                self.lost(limit).unwrap()
            }
            async fn signalled(&self, limit: Duration) -> Option<LossReason> {
                self.loss().lost(limit).unwrap()
            }
            async fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
                self.extend(ttl)
            }
        }
    };
}
held!(Guard);
held!(ReentrantGuard);

impl client::Guard for Guard {
    async fn release(self) -> Release {
        self.release().unwrap()
    }
    fn into_lease(self) -> Lease {
        self.into_lease()
    }
}

impl client::Nested for ReentrantGuard {
    async fn release(self) -> Option<Release> {
        self.release().unwrap()
    }
    fn depth(&self) -> usize {
        self.depth()
    }
}
