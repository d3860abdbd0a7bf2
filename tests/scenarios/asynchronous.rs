//! The async API, as it is. Timers and tasks of the tests are those of smol, which work on every
//! runtime.

use std::{future::Future, pin::pin, time::Duration};

use futures::{
    StreamExt,
    future::{Either, select},
};
use redlock_testkit::MemoryCache;
use redlocks::{
    ComputeError, Error, Found, Guard, Lease, Listed, Lock, LossReason, Redlock, Reentrant,
    ReentrantGuard, Release, Renewal, Reset, ResourceSet, Retry, Status, Token,
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
        self.inspect(resource).await
    }
    async fn is_locked(&self, resource: &str) -> Result<bool, Error> {
        self.is_locked(resource).await
    }
    async fn reset(&self, resource: &str) -> Result<Reset, Error> {
        self.reset(resource).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        Ok(Self::list(self, prefix)?.map(Result::unwrap).collect().await)
    }
    async fn reset_all(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        Ok(Self::reset_all(self, prefix)?.map(Result::unwrap).collect().await)
    }
    async fn get_or_compute(
        &self,
        cache: &MemoryCache,
        compute: impl FnOnce() -> Result<String, &'static str>,
    ) -> Result<Found<String>, ComputeError<&'static str>> {
        self.get_or_compute(cache, "k", client::LONG).run(async || compute()).await
    }
    async fn adopt(&self, lease: &Lease) -> Result<Guard, Error> {
        self.adopt(lease).await
    }
    async fn extend(&self, lease: &Lease, ttl: Duration) -> Result<Lease, Error> {
        self.extend(lease, ttl).await
    }
    async fn release(&self, lease: &Lease) -> Release {
        self.release(lease).await
    }
    async fn settled(&self) {
        within(client::LONG, self.settled()).await.unwrap();
    }
    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
    fn release_later(&self, guard: Guard, after: Duration) {
        let release = async move {
            sleep(after).await;
            guard.release().await;
        };
        smol::spawn(release).detach();
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
        self.try_acquire().await
    }
    async fn try_acquire_as(&self, token: Token) -> Result<Guard, Error> {
        self.try_acquire_as(token).await
    }
    async fn acquire(&self) -> Result<Guard, Error> {
        self.acquire().await
    }
    async fn acquire_within(&self, patience: Duration) -> Result<Guard, Error> {
        self.acquire_within(patience).await
    }
    async fn run(&self, time: Duration) -> Result<Token, Error> {
        self.run(async |lease| {
            sleep(time).await;
            lease.token().clone()
        })
        .await
    }
}

impl client::Owner for Reentrant {
    type Guard = ReentrantGuard;

    async fn try_acquire(&self) -> Result<ReentrantGuard, Error> {
        self.try_acquire().await
    }
    async fn acquire(&self) -> Result<ReentrantGuard, Error> {
        self.acquire().await
    }
    async fn acquire_within(&self, patience: Duration) -> Result<ReentrantGuard, Error> {
        self.acquire_within(patience).await
    }
}

macro_rules! held {
    ($guard:ty) => {
        impl client::Held for $guard {
            fn resources(&self) -> &ResourceSet {
                Guard::resources(self)
            }
            fn owner(&self) -> Option<&str> {
                Guard::owner(self)
            }
            fn lease(&self) -> Lease {
                Guard::lease(self)
            }
            fn is_valid(&self) -> bool {
                Guard::is_valid(self)
            }
            fn remaining(&self) -> Duration {
                Guard::remaining(self)
            }
            fn margin(&self) -> usize {
                Guard::margin(self)
            }
            fn check(&self) -> Result<(), Error> {
                Guard::check(self)
            }
            fn reason(&self) -> Option<LossReason> {
                self.loss().reason()
            }
            fn signal(&self) -> (bool, Duration) {
                (self.loss().is_valid(), self.loss().remaining())
            }
            async fn lost(&self, limit: Duration) -> Option<LossReason> {
                within(limit, Guard::lost(self)).await
            }
            async fn signalled(&self, limit: Duration) -> Option<LossReason> {
                within(limit, self.loss().lost()).await.flatten()
            }
            async fn extend(&mut self, ttl: Duration) -> Result<(), Error> {
                <$guard>::extend(self, ttl).await
            }
        }
    };
}
held!(Guard);
held!(ReentrantGuard);

impl client::Guard for Guard {
    async fn release(self) -> Release {
        self.release().await
    }
    fn into_lease(self) -> Lease {
        self.into_lease()
    }
}

impl client::Nested for ReentrantGuard {
    async fn release(self) -> Option<Release> {
        self.release().await
    }
    fn depth(&self) -> usize {
        self.depth()
    }
}

async fn sleep(time: Duration) {
    smol::Timer::after(time).await;
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(sleep(limit))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
