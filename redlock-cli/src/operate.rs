//! `status`, `list` and `reset`: locks that others have.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use redlocks::{Inspection, Listed, NodeError, Quorum, Redlock, Standing, Token};
use serde_json::{Value, json};

use crate::{
    args::{Common, List, Reset, Status},
    exit::{Exit, Outcome},
    nodes::{any_ttl, builder},
    span::{millis, told},
    words::{LONGEST_MESSAGE, one_line},
};

/// Tells how it stands with a lock.
pub(crate) async fn status(common: &Common, args: &Status) -> Result<Outcome, Outcome> {
    let status = redlock(common)?.inspect(&args.name).await;
    let status = status.map_err(|error| Outcome::of_error(&error))?;
    let (exit, name) = match status.standing() {
        Standing::Held { .. } => (Exit::DONE, "held"),
        Standing::Free => (Exit::NOT_HELD, "free"),
        Standing::Split => (Exit::NOT_HELD, "split"),
        Standing::Unknown => (Exit::NO_QUORUM, "no_quorum"),
    };
    let nodes = status.nodes().iter().map(|node| match node.answer() {
        Ok(Inspection::Free) => json!({"node": node.label(), "said": "free"}),
        Ok(Inspection::Held { token, remaining }) => json!({
            "node": node.label(),
            "said": "held",
            "owner": token.owner(),
            "remaining_ms": remaining.map(millis),
        }),
        Err(error) => json!({"node": node.label(), "said": "failed", "error": error.to_string()}),
    });
    let outcome = Outcome::new(exit, name)
        .detail("resource", &*args.name)
        .detail("owner", status.owner())
        .detail("remaining_ms", status.remaining().map(millis))
        .detail("nodes", nodes.collect::<Value>());
    let text = status.to_string();
    Ok(match exit {
        Exit::NO_QUORUM => outcome.message(text),
        _ => outcome.output(one_line(&text, LONGEST_MESSAGE)),
    })
}

/// Lists what is held.
pub(crate) async fn list(common: &Common, args: &List) -> Result<Outcome, Outcome> {
    let redlock = redlock(common)?;
    let quorum = redlock.quorum();
    let mut told = redlock.list(&*args.prefix).map_err(|error| Outcome::of_error(&error))?;
    let (mut census, mut errors) = (Census::default(), Vec::new());
    while let Some(listed) = told.next().await {
        match listed {
            Ok(listed) => census.note(&listed),
            Err(error) => errors.push(error),
        }
    }
    let least = if args.all { 1 } else { quorum.needed() };
    let found = || census.0.iter().filter(|(_, nodes)| nodes.len() >= least);
    let locks: Value = found()
        .map(|((name, token), nodes)| {
            json!({
                "resource": name,
                "owner": token.owner(),
                "remaining_ms": remaining(nodes, quorum).map(millis),
                "nodes": nodes.keys().collect::<Vec<_>>(),
            })
        })
        .collect();
    let lines: Vec<_> =
        found().map(|((name, token), nodes)| line(name, token, nodes, quorum)).collect();
    let has_quorum = quorum.nodes().saturating_sub(errors.len()) >= quorum.needed();
    let outcome = match has_quorum {
        true => Outcome::new(Exit::DONE, "listed"),
        false => Outcome::new(Exit::NO_QUORUM, "no_quorum"),
    };
    let outcome = match lines.is_empty() {
        true => outcome,
        false => outcome.output(lines.join("\n")),
    };
    let outcome = outcome.detail("locks", locks);
    let errors: Vec<_> = errors.iter().map(NodeError::to_string).collect();
    Ok(if errors.is_empty() { outcome } else { outcome.message(errors.join("; ")) })
}

/// Takes a lock away from whoever has it.
pub(crate) async fn reset(common: &Common, args: &Reset) -> Result<Outcome, Outcome> {
    let redlock = redlock(common)?;
    let reset = redlock.reset(&args.name).await.map_err(|error| Outcome::of_error(&error))?;
    let answered = reset.nodes().iter().filter(|node| node.removed().is_ok()).count();
    let (exit, name) = if answered < redlock.quorum().needed() {
        (Exit::NO_QUORUM, "no_quorum")
    } else if reset.removed() == 0 {
        (Exit::NOT_HELD, "not_held")
    } else {
        (Exit::DONE, "reset")
    };
    let nodes = reset.nodes().iter().map(|node| match node.removed() {
        Ok(token) => json!({
            "node": node.label(),
            "removed": token.is_some(),
            "owner": token.and_then(Token::owner),
        }),
        Err(error) => json!({"node": node.label(), "removed": null, "error": error.to_string()}),
    });
    let outcome = Outcome::new(exit, name)
        .detail("resource", &*args.name)
        .detail("nodes", nodes.collect::<Value>());
    let text = reset.to_string();
    Ok(match exit {
        Exit::DONE => outcome.output(one_line(&text, LONGEST_MESSAGE)),
        _ => outcome.message(text),
    })
}

fn redlock(common: &Common) -> Result<Redlock, Outcome> {
    builder(common, any_ttl(common))?.build().map_err(Outcome::usage)
}

/// Which nodes have what, for whom, and for how much longer. A node may tell one thing twice.
#[derive(Debug, Default)]
struct Census(BTreeMap<(String, Token), Nodes>);

type Nodes = BTreeMap<String, Option<Duration>>;

impl Census {
    fn note(&mut self, listed: &Listed) {
        let lock = (listed.resource().as_str().to_owned(), listed.token().clone());
        let nodes = self.0.entry(lock).or_default();
        nodes.insert(listed.label().to_owned(), listed.remaining());
    }
}

/// For how much longer a quorum of these nodes has it, as far as they tell.
fn remaining(nodes: &Nodes, quorum: Quorum) -> Option<Duration> {
    let mut times: Vec<_> = nodes.values().flatten().copied().collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    times.get(quorum.needed().saturating_sub(1)).copied()
}

/// One lock in columns: its name, its owner, what is left of it, and how many nodes have it.
fn line(name: &str, token: &Token, nodes: &Nodes, quorum: Quorum) -> String {
    let remaining = remaining(nodes, quorum).map_or_else(|| "-".to_owned(), told);
    let (owner, has) = (token.owner().unwrap_or("-"), nodes.len());
    // A name may have anything in it; a line of its own, or a colour, it may not have.
    let name = name.escape_debug();
    format!("{name}\t{owner}\t{remaining}\t{has}/{} nodes", quorum.nodes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_a_quorum_has() {
        let quorum = Quorum::of(3).unwrap();
        let nodes = |times: &[Option<u64>]| -> Nodes {
            let times = times.iter().map(|time| time.map(Duration::from_secs));
            times.enumerate().map(|(node, time)| (node.to_string(), time)).collect()
        };
        let left = |times: &[Option<u64>]| remaining(&nodes(times), quorum);
        assert_eq!(left(&[Some(1), Some(3), Some(2)]), Some(Duration::from_secs(2)));
        assert_eq!(left(&[Some(1), None]), None);
        let token = Token::from_bytes(*b"t").unwrap();
        let shown = line("a\n\u{1b}", &token, &nodes(&[Some(1), Some(3)]), quorum);
        assert_eq!(shown, "a\\n\\u{1b}\t-\t1s\t2/3 nodes");
    }
}
