//! What a node owes whose [`RestartPolicy`](redlock_core::RestartPolicy) is quarantine.

use std::time::Duration;

use redlock_core::{Delivery, Drift, FailureKind, Fence, NodeError, RestartPolicy, Ttl, Vote};

use super::stage::{Stage, Stop, ensure, millis, resource, token};

pub(super) async fn nothing_is_granted_in_quarantine(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, max_ttl) = (resource("r"), token("mine"), millis(LONGEST));
    let before = stage.now();
    let node = stage.subject.open_in_quarantine(max_ttl).await?;
    let opened = stage.now();
    let plain = node.acquire(&name, &mine, max_ttl).await;
    let left = in_quarantine("acquire", plain)?;
    if let Some(able) = node.fencing() {
        let counted = able.acquire_counted(&name, &mine, max_ttl, Fence::default()).await;
        in_quarantine("acquire_counted", counted)?;
    }
    let whole = RestartPolicy::Quarantine { max_ttl }.quarantine(Drift::default());
    ensure!(left <= whole + READING, "{left:?} of quarantine were left of {whole:?}.");
    let passed = stage.now().since(before);
    ensure!(left + passed + READING >= max_ttl.get(), "only {left:?} of quarantine were left.");
    // What needs no vote is done all the same.
    let vote = node.release(&name, &mine).await?;
    ensure!(vote == Vote::not_held(), "a release in quarantine was answered with {vote:?}.");

    let end = opened.after(whole + LATE);
    loop {
        match node.acquire(&name, &mine, max_ttl).await {
            Ok(vote) => {
                ensure!(vote == Vote::granted(), "after quarantine a vote was {vote:?}.");
                break;
            }
            Err(error) => ensure!(
                error.kind() == FailureKind::Quarantined && stage.now() < end,
                "the quarantine of {whole:?} ended with {error}."
            ),
        }
        stage.sleep(Duration::from_millis(5)).await;
    }
    let took = stage.now().since(before);
    ensure!(took >= max_ttl.get(), "the quarantine was over after {took:?}.");
    Ok(())
}

/// At all times: if one lock may be longer than the quarantine, that is for nothing.
pub(super) async fn what_outlives_a_quarantine_is_rejected(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, max_ttl) = (resource("r"), token("mine"), millis(LONGEST));
    let node = stage.subject.open_in_quarantine(max_ttl).await?;
    let long = millis(LONGEST + 1);
    rejected("acquire", node.acquire(&name, &mine, long).await, long)?;
    rejected("extend", node.extend(&name, &mine, long).await, long)?;
    if let Some(able) = node.fencing() {
        let counted = able.acquire_counted(&name, &mine, long, Fence::default()).await;
        rejected("acquire_counted", counted, long)?;
    }
    Ok(())
}

/// For how much longer, if that is what the call failed for.
fn in_quarantine(call: &str, answer: Result<Vote, NodeError>) -> Result<Duration, Stop> {
    let error = match answer {
        Err(error) if error.kind() == FailureKind::Quarantined => error,
        other => return Err(Stop::Broken(format!("{call} in quarantine gave {other:?}."))),
    };
    let delivery = error.delivery();
    // A node that has heard how long it lasts need not ask the store again.
    let never = [Delivery::Refused, Delivery::NotSent].contains(&delivery);
    ensure!(never, "{call} in quarantine was told as {delivery:?}.");
    let untold = || Stop::Broken(format!("{call} was not told how long the quarantine lasts."));
    error.quarantine().ok_or_else(untold)
}

fn rejected(call: &str, answer: Result<Vote, NodeError>, ttl: Ttl) -> Result<(), Stop> {
    let rejected = answer.as_ref().is_err_and(|error| error.kind() == FailureKind::Rejected);
    ensure!(rejected, "{call} for {:?}, of {LONGEST} ms at most, gave {answer:?}.", ttl.get());
    Ok(())
}

/// In milliseconds.
const LONGEST: u64 = 200;

/// How far what stores tell may be off: they count in whole seconds how long they have been running.
const READING: Duration = Duration::from_millis(1_010);

/// How much later than it should a quarantine may end.
const LATE: Duration = Duration::from_secs(20);
