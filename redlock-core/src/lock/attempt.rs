use std::sync::Arc;

use super::{
    calls::{Ask, Claim},
    error::Error,
    guard::Guard,
    pursuit::pursue,
    queue::Turn,
    settings::Terms,
    shared::Shared,
};
use crate::{
    Fence, Lease,
    proto::{Attempt, LossReason, Moment},
};

/// Asks every node once for the lock, within the node timeout and the deadline. The lock keeps the
/// turn, if there is one.
///
/// # Cancel safety
///
/// Dropped at any point, everything that may have been set is released in the background.
pub(super) async fn acquire(
    shared: &Arc<Shared>,
    terms: &Terms,
    deadline: Option<Moment>,
    turn: Option<Turn>,
) -> Result<Guard, Error> {
    shared.start(terms)?;
    let claim = Claim { resources: terms.resources.clone(), token: shared.token(&terms.proof)? };
    // Before the first byte is sent, and anew for each attempt (R2): validity counts from here.
    let started = shared.now();
    let mut attempt = Attempt::start(shared.quorum, terms.ttl, terms.timing, started);
    let mut asked = Ask::Acquire(terms.timing.lifetime(terms.ttl));
    let mut had = Fence::default();
    if claim.resources.only().is_none() {
        attempt = attempt.in_parts();
    }
    if terms.fencing {
        let known = shared.fences.known(terms.resources.first());
        attempt = attempt.fenced();
        asked = Ask::AcquireCounted(terms.timing.lifetime(terms.ttl), known.hint);
        had = known.had;
    }
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, deadline);
    (pursuit.turn, pursuit.had) = (turn, had);
    match pursuit.decide().await {
        Ok(guard) => match pursuit.unfit.take() {
            None => Ok(guard),
            Some(error) => {
                guard.release().await;
                Err(error)
            }
        },
        Err(verdict) => {
            pursuit.remember_counters(pursuit.attempt.tally().largest_counter());
            pursuit.told.failed(&pursuit.claim.token, &pursuit.attempt, verdict);
            let error = pursuit.error(verdict);
            pursuit.clean_up(deadline, terms.node_timeout).await;
            Err(error)
        }
    }
}

/// Asks every node once to extend a lease that no guard here keeps.
///
/// # Cancel safety
///
/// Dropped at any point, the lease is as it was, or extended on some nodes.
pub(super) async fn adopt(
    shared: &Arc<Shared>,
    lease: &Lease,
    terms: &Terms,
) -> Result<Guard, Error> {
    shared.start(terms)?;
    let claim = Claim { resources: lease.resources().clone(), token: lease.token().clone() };
    if let Some(reason) = lease.lost() {
        // Nodes that still have it release it when the grace is over, also under a new holder.
        return Err(Error::lost(&claim.resources, reason, None));
    }
    let started = shared.now();
    if lease.until().is_some_and(|until| started >= until) {
        // Never extended after its end: somebody else may have held it since (R29).
        return Err(Error::lost(&claim.resources, LossReason::Expired, None));
    }
    // It cannot last for longer than its ttl from now. One that says so was taken by the clock of
    // another runtime, and the nodes alone prove how long it is held by this one.
    let most = started.after(terms.timing.validity(lease.ttl()));
    let until = lease.until().map(|until| until.min(most));
    let mut attempt = Attempt::resume(shared.quorum, terms.ttl, terms.timing, started, until);
    if claim.resources.only().is_none() {
        attempt = attempt.in_parts();
    }
    let asked = Ask::Extend(terms.timing.lifetime(terms.ttl));
    let mut pursuit = pursue(shared, claim, attempt, asked, terms, None);
    pursuit.fence = lease.fencing_token();
    match pursuit.decide().await {
        Ok(guard) => match pursuit.unfit.take() {
            None => Ok(guard),
            // Counted by nodes that must not be, it is not a lock to go on with here. But whoever
            // handed it over may still hold it, so it is not released (R31).
            Some(error) => {
                drop(guard.into_lease());
                Err(error)
            }
        },
        Err(verdict) => {
            let error = pursuit.error(verdict);
            // A lease that could not be extended stays as it is (R31), one that is lost does not.
            pursuit.undo = matches!(error, Error::Lost { .. });
            pursuit.clean_up(None, terms.node_timeout).await;
            Err(error)
        }
    }
}
