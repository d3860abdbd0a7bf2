//! `doctor`: how the nodes are, in plain words.

mod facts;
mod finding;
mod judge;
mod trial;

use std::{
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use redlocks::{LockNode, redis_rs::RedisNode};
use serde_json::Value;

use self::{
    facts::Facts,
    finding::{Finding, KINDS, Kind, Severity},
};
use crate::{
    args::{Common, Doctor},
    exit::{Exit, Outcome},
    nodes::{builder, nodes, timeout, urls},
};

/// Asks every node, and says what there is to say.
pub(crate) async fn doctor(common: &Common, args: &Doctor) -> Result<Outcome, Outcome> {
    let accepted = accepted(&args.accept)?;
    let timeout = timeout(common, args.ttl);
    let (urls, nodes) = (urls(common)?, nodes(common, timeout)?);
    // What locks would be refused for, they are refused for here as well.
    let quorum = builder(common, args.ttl)?.build().map_err(Outcome::usage)?.quorum();
    let prefix = format!("{}{}", common.key_prefix.as_deref().unwrap_or_default(), args.prefix);
    let facts = ask(&urls, &nodes, &prefix, timeout, Progress::of(common, nodes.len())).await;
    let findings = judge::judge(&facts, args.ttl, timeout);
    let well = judge::usable(&facts, &findings);
    let counts = |finding: &&Finding| {
        finding.severity() != Severity::Note && !accepted.contains(&finding.kind)
    };
    let (exit, name) = if well < quorum.needed() {
        (Exit::NO_QUORUM, "no_quorum")
    } else if findings.iter().any(|finding| counts(&finding)) {
        (Exit::NOT_HELD, "risky")
    } else {
        (Exit::DONE, "healthy")
    };
    let is_accepted = |finding: &Finding| accepted.contains(&finding.kind);
    let told: Vec<Value> =
        findings.iter().map(|finding| finding.to_json(is_accepted(finding))).collect();
    let mut lines = Vec::new();
    for node in &facts {
        lines.push(node.line());
        let own = findings.iter().filter(|finding| finding.node.as_deref() == Some(&*node.label));
        lines.extend(own.map(|finding| finding.line(is_accepted(finding))));
    }
    let common = findings.iter().filter(|finding| finding.node.is_none());
    let (count, needed) = (nodes.len(), quorum.needed());
    let noun = if count == 1 { "node" } else { "nodes" };
    lines.push(format!("{count} {noun}, {needed} needed, {well} can be used"));
    lines.extend(common.map(|finding| finding.line(is_accepted(finding))));
    Ok(Outcome::new(exit, name)
        .output(lines.join("\n"))
        .detail("nodes", facts.iter().map(Facts::to_json).collect::<Vec<_>>())
        .detail("usable", well)
        .detail("findings", told))
}

/// Everything that the nodes tell, in their order.
async fn ask(
    urls: &[String],
    nodes: &[RedisNode],
    prefix: &str,
    timeout: Duration,
    mut progress: Progress,
) -> Vec<Facts> {
    let asked = urls.iter().zip(nodes).enumerate().map(|(place, (url, node))| async move {
        (place, Facts::of(url, node, prefix, timeout).await)
    });
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut facts = Vec::new();
    progress.tell(0);
    while let Some(told) = asked.next().await {
        facts.push(told);
        progress.tell(facts.len());
    }
    progress.end();
    facts.sort_by_key(|(place, _)| *place);
    facts.into_iter().map(|(_, facts)| facts).collect()
}

/// The kinds of risks that these names are those of.
fn accepted(names: &[String]) -> Result<Vec<Kind>, Outcome> {
    let named = |name: &String| {
        let found = KINDS.into_iter().find(|kind| kind.name() == name);
        found.filter(|kind| kind.severity() == Severity::Risk).ok_or_else(|| {
            let risks = KINDS.into_iter().filter(|kind| kind.severity() == Severity::Risk);
            let risks: Vec<_> = risks.map(Kind::name).collect();
            Outcome::usage(format!("{name:?} is none of the risks: {}", risks.join(", ")))
        })
    };
    names.iter().map(named).collect()
}

/// What is told while nodes are waited for.
enum Progress {
    /// A line that is written over.
    Terminal(usize),
    /// Nobody watches.
    Quiet,
}

impl Progress {
    fn of(common: &Common, nodes: usize) -> Self {
        if !common.json && stderr().is_terminal() { Self::Terminal(nodes) } else { Self::Quiet }
    }

    fn tell(&mut self, answered: usize) {
        if let Self::Terminal(nodes) = self {
            let _ = write!(stderr(), "\r\u{1b}[Kasking the nodes: {answered} of {nodes} done");
        }
    }

    fn end(self) {
        if let Self::Terminal(_) = self {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}

/// The label of a node, which shows no password.
fn label(node: &RedisNode) -> String {
    LockNode::label(node).to_owned()
}
