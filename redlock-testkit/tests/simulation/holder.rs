//! What a client does with a lock that it has.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures::FutureExt;
use redlock_core::{Guard, Lease, LossReason, LossSignal, ReleaseOutcome, Renewal};

use crate::{actor::Actor, claim::Ending, expect::Interest};

impl Actor {
    pub(crate) async fn hold(&self, mut guard: Guard) {
        let number = self.claim(&guard, self.plan.hold_at_least);
        if self.random().chance(self.plan.listeners) {
            self.listen(number, guard.loss());
        }
        let renewed = self.plan.renewal != Renewal::off();
        for _ in 0..self.random().below(if renewed { 2 } else { 4 }) {
            self.client.sleep(self.random().between(Duration::ZERO, self.plan.ttl * 6 / 10)).await;
            self.extend(&mut guard).await;
        }
        let overstay = if self.random().chance(0.2) { self.plan.ttl } else { Duration::ZERO };
        let hold = self.random().between(Duration::ZERO, self.plan.ttl / 2) + overstay;
        let hold = if renewed { hold * 2 } else { hold };
        let (before, margin) = (self.until(&guard), guard.margin());
        self.client.sleep(hold).await;
        if renewed && self.until(&guard) > before {
            self.saw("renewed");
        }
        if guard.margin() > margin {
            self.saw("one more node");
        }
        self.give_up(number, guard).await;
        self.watch.end(number);
    }

    /// Has somebody else in this process wait for the loss of the lock.
    fn listen(&self, number: u64, signal: LossSignal) {
        self.watch.listens(number);
        let actor = self.clone();
        let listener = async move {
            let reason = signal.lost().await;
            if actor.watch.told(number, reason) {
                actor.saw("told late after a pause");
            }
            actor.saw(match reason {
                None => "told: nothing",
                Some(LossReason::Expired) if actor.plan.renewal == Renewal::off() => {
                    "told: expired"
                }
                Some(LossReason::Expired) => "told: expired while renewing",
                Some(LossReason::HeldTooLong) => "told: held too long",
                Some(_) => "told: quorum",
            });
        };
        self.client.spawn(listener).expect("the simulation runs");
    }

    async fn extend(&self, guard: &mut Guard) {
        let ttl = self.random().between(self.plan.ttl / 2, self.plan.ttl * 2);
        // Legal for the node timeout that the plan has.
        let ttl = ttl.max(self.plan.ttl);
        let (before, timeout) = (self.until(guard), self.plan.node_timeout);
        let interest = self.interest();
        let held = self.sim.at_once(|| guard.is_valid());
        let result = self.bounded("extend", interest, timeout, guard.extend(ttl)).await;
        if self.until(guard) < before {
            self.watch.fail(format!("client {}'s extension shortened its lock", self.name));
        }
        match result {
            None => self.saw("extend cancelled"),
            Some(Ok(())) => self.saw("extended"),
            Some(Err(error)) => {
                self.saw("not extended");
                if !held {
                    self.expect_nobody_asked(&error);
                }
                self.expect_loss_if_certain(&error);
                self.saw_error(&error);
            }
        }
        self.watch.check();
    }

    async fn give_up(&self, number: u64, guard: Guard) {
        let (timeout, interest) = (self.plan.node_timeout, self.interest());
        let way = self.random().below(8);
        let handed_on = self.plan.leases && matches!(way, 1..=4);
        self.watch.ends(number, if handed_on { Ending::HandedOn } else { Ending::GivenUp });
        match way {
            0 => {
                let bomb = AssertUnwindSafe(async move {
                    let _guard = guard;
                    resume_unwind(Box::new("planned"))
                });
                let panics = async move { drop::<Result<(), _>>(bomb.catch_unwind().await) };
                self.client.run(panics).await.expect("the simulation runs");
                self.saw("panicked");
            }
            1 | 2 if handed_on => {
                let lease = guard.into_lease();
                let release = self.redlock.release(&lease);
                drop(self.bounded("release lease", interest, timeout, release).await);
                self.saw("lease released");
            }
            3 | 4 if handed_on => self.pass_on(guard.into_lease()).await,
            1 | 5 => {
                drop(guard);
                self.saw("dropped");
            }
            _ => match self.bounded("release", interest, timeout, guard.release()).await {
                Some(release) if release.is_released() => self.saw("released"),
                Some(release) if release.outcome() == ReleaseOutcome::Kept => self.saw("kept"),
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
}
