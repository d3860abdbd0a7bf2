//! A lock that is taken on one node, to see what its user may do there.

use std::time::Duration;

use redlocks::{
    FailureKind, Fence, LockNode, NodeError, OsRandom, Random, Resource, Token, Ttl,
    redis_rs::RedisNode,
};

use super::{
    finding::{Finding, Kind},
    label,
};

/// Does to a node all that locks do, under a name that nobody else has, and tells what it refused.
pub(crate) async fn trial(
    node: &RedisNode,
    prefix: &str,
    timeout: Duration,
    is_replica: bool,
) -> Vec<Finding> {
    if is_replica {
        // Which says it all.
        return Vec::new();
    }
    // That a server evicts is told for itself, and what is tried here does not outlive a moment.
    let node = node.clone().allow_eviction().counter_retention(RETENTION);
    let mut random = [0; Token::RANDOM_BYTES];
    let ttl = Ttl::new(timeout.saturating_mul(8).clamp(RETENTION, Ttl::MAX.get()));
    let (Ok(()), Ok(ttl)) = (OsRandom.fill(&mut random), ttl) else { return Vec::new() };
    let token = Token::from_random(random);
    let name = format!("{prefix}{}", String::from_utf8_lossy(token.as_bytes()));
    let Ok(resource) = Resource::new(name) else { return Vec::new() };
    let label = label(&node);
    let found = |kind, error: &NodeError| Finding {
        kind,
        node: Some(label.clone()),
        text: text(kind, error),
    };
    let locked = plain(&node, &resource, &token, ttl).await;
    if let Err(error) = locked {
        return vec![found(Kind::Refuses, &error)];
    }
    let mut findings = Vec::new();
    if let Some(notifications) = node.notifications()
        && let Err(error) = notifications.subscribe(&resource).await
    {
        findings.push(found(Kind::NoNotifications, &error));
        if is_late(&error) {
            return findings;
        }
    }
    if let Some(fencing) = node.fencing() {
        let counted = fencing.acquire_counted(&resource, &token, ttl, Fence::new(0)).await;
        let released = node.release(&resource, &token).await;
        if let Some(error) = counted.err().or(released.err()) {
            findings.push(found(Kind::NoFencing, &error));
            if is_late(&error) {
                return findings;
            }
        }
    }
    if let Some(survey) = node.survey() {
        let page = survey.list(resource.as_str(), None).await;
        findings.extend(page.err().map(|error| found(Kind::NoListing, &error)));
    }
    findings
}

/// What every lock does.
async fn plain(
    node: &RedisNode,
    resource: &Resource,
    token: &Token,
    ttl: Ttl,
) -> Result<(), NodeError> {
    let tried = async {
        node.acquire(resource, token, ttl).await?;
        node.extend(resource, token, ttl).await?;
        node.inspect(resource).await.map(drop)
    };
    let tried = tried.await;
    // Whatever it said, or has yet to say: nothing is to be left.
    let released = node.release(resource, token).await.map(drop);
    tried.and(released)
}

/// Whether the node would keep everybody waiting once more.
fn is_late(error: &NodeError) -> bool {
    error.kind() == FailureKind::TimedOut
}

fn text(kind: Kind, error: &NodeError) -> String {
    match kind {
        Kind::NoNotifications => {
            format!("it cannot be listened to, so waiting takes longer: {error}")
        }
        Kind::NoFencing => format!("locks there cannot have fencing tokens: {error}"),
        Kind::NoListing => format!("locks there cannot be listed: {error}"),
        _ => format!("a lock that was tried there failed: {error}"),
    }
}

/// For how long the trial's counter stays.
const RETENTION: Duration = Duration::from_secs(1);
