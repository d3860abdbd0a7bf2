//! The nodes that the command line and the environment name.

use std::{env, time::Duration};

use redlocks::{
    Ballot, Redlock, RedlockBuilder, Refusal, Report, Vote,
    redis_rs::{RedisNode, UrlError},
};
use serde_json::{Value, json};

use crate::{args::Common, exit::Outcome};

/// The urls of the nodes: those of the command line, or of `REDLOCK_NODES`.
pub(crate) fn urls(common: &Common) -> Result<Vec<String>, Outcome> {
    if !common.nodes.is_empty() {
        return Ok(common.nodes.clone());
    }
    let named = env::var_os("REDLOCK_NODES").unwrap_or_default();
    let Some(named) = named.to_str() else {
        let message = "REDLOCK_NODES is not UTF-8: write such bytes of a url as %XX";
        return Err(Outcome::usage(message));
    };
    let named = split(named);
    if named.is_empty() {
        return Err(Outcome::usage("no nodes: name them by --node URL or in REDLOCK_NODES"));
    }
    Ok(named)
}

/// The nodes themselves, with as much patience as whoever asks them.
pub(crate) fn nodes(common: &Common, timeout: Duration) -> Result<Vec<RedisNode>, Outcome> {
    let nodes: Result<Vec<_>, UrlError> = RedisNode::open_all(urls(common)?);
    let nodes = nodes.map_err(Outcome::usage)?;
    let patient = |node: RedisNode| node.connect_timeout(timeout).response_timeout(timeout);
    Ok(nodes.into_iter().map(patient).collect())
}

/// What makes a redlock of the nodes, for locks of this ttl.
pub(crate) fn builder(common: &Common, ttl: Duration) -> Result<RedlockBuilder, Outcome> {
    let timeout = timeout(common, ttl);
    let nodes = nodes(common, timeout)?;
    let builder = Redlock::builder().nodes(nodes).ttl(ttl).node_timeout(timeout);
    Ok(match &common.key_prefix {
        Some(prefix) => builder.key_prefix(prefix.as_str()),
        None => builder,
    })
}

/// A ttl for whoever has none in mind, such that the timeout fits.
pub(crate) fn any_ttl(common: &Common) -> Duration {
    UNKNOWN_TTL.max(common.timeout.unwrap_or_default().saturating_mul(4))
}

/// How long a node may take to answer.
pub(crate) fn timeout(common: &Common, ttl: Duration) -> Duration {
    common.timeout.unwrap_or_else(|| LONGEST_TIMEOUT.min(ttl / 4))
}

/// Waits until what is still under way has ended, but not for nodes that hang.
pub(crate) async fn settle(redlock: &Redlock, timeout: Duration) {
    // Which nodes have not answered is in the result already; they forget by themselves.
    let _ = tokio::time::timeout(timeout, redlock.settled()).await;
}

/// What each node said, for scripts.
pub(crate) fn ballots(report: &Report) -> Value {
    report
        .nodes()
        .iter()
        .map(|node| {
            let said = match node.ballot() {
                Ballot::Cast(Vote::Granted { .. }) => "granted",
                Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { .. })) => "held_by_another",
                Ballot::Cast(_) => "not_held",
                Ballot::Failed(_) => "failed",
                Ballot::Silent => "no_answer_yet",
                Ballot::Unasked => "not_asked",
            };
            let error = node.error().map(ToString::to_string);
            json!({"node": node.label(), "said": said, "error": error})
        })
        .collect()
}

fn split(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    parts.filter(|part| !part.is_empty()).map(Into::into).collect()
}

/// What the ttl of a lock was is not known to who gives it up, and matters little: nodes that do not
/// answer are asked again for as long as they could have it, which is longer than this program runs.
const UNKNOWN_TTL: Duration = Duration::from_secs(10);

/// New connections, over TLS and another continent, fit into it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_separated_by_spaces_or_commas() {
        assert_eq!(split(" a, b\nc,,"), ["a", "b", "c"]);
        assert!(split(" \n").is_empty());
    }
}
