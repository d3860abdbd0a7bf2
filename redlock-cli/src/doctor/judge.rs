//! What facts mean: pure.

use std::time::Duration;

use super::{
    facts::Facts,
    finding::{Finding, Kind, Severity},
};
use crate::span::told;

/// What is to be said of these nodes, for locks of this ttl.
pub(crate) fn judge(nodes: &[Facts], ttl: Duration, timeout: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let clocks = middle_clock(nodes);
    for (place, node) in nodes.iter().enumerate() {
        let mut say = |kind, text: String| {
            findings.push(Finding { kind, node: Some(node.label.clone()), text });
        };
        if let Some(error) = &node.unreachable {
            say(Kind::Unreachable, error.clone());
            continue;
        }
        let id = node.field("run_id");
        let same = |other: &&Facts| id.is_some() && other.field("run_id") == id;
        if let Some(other) = nodes[..place].iter().find(same) {
            let text =
                format!("it is the same server as {}, and would have two votes", other.label);
            say(Kind::SameServer, text);
        }
        role(node, &mut say);
        memory(node, &mut say);
        persistence(node, ttl, &mut say);
        version(node, &mut say);
        if let Some(latency) = node.latency.filter(|latency| *latency > timeout / 2) {
            let (latency, timeout) = (told(latency), told(timeout));
            let text = format!(
                "it takes {latency} to answer, and is given up after {timeout}: votes get lost when it \
                 is a little busier"
            );
            say(Kind::Slow, text);
        } else if let Some(latency) = node.latency.filter(|latency| *latency > ttl / 20) {
            let (latency, ttl) = (told(latency), told(ttl));
            say(
                Kind::Slow,
                format!("it takes {latency} to answer, which is much of the ttl {ttl}"),
            );
        }
        if let Some(clock) = node.clock {
            let apart = Duration::from_micros(
                u64::try_from(clock.ahead.saturating_sub(clocks).unsigned_abs())
                    .unwrap_or(u64::MAX),
            );
            if apart > CLOCKS_APART + clock.doubt {
                let side = if clock.ahead > clocks { "ahead of" } else { "behind" };
                let text = format!(
                    "its clock is {} {side} the others: when it is set right, or goes on going wrong, \
                     locks there end too soon or too late, and fencing tokens begun anew may be too small",
                    told(apart)
                );
                say(Kind::Clock, text);
            }
        }
        if !node.untold.is_empty() {
            say(Kind::Untold, format!("it does not tell {}", node.untold.join(", ")));
        }
        findings.extend(node.tried.iter().cloned());
    }
    match nodes.len() {
        1 => findings.push(Finding {
            kind: Kind::SingleNode,
            node: None,
            text: "with a single node there is no lock while it is down".to_owned(),
        }),
        even if even % 2 == 0 => findings.push(Finding {
            kind: Kind::EvenNumber,
            node: None,
            text: format!(
                "{even} nodes survive the loss of {} as {} do, and split votes more often: an odd number \
                 is better",
                even / 2 - 1,
                even - 1
            ),
        }),
        _ => {}
    }
    findings
}

/// How many nodes can vote, and whose votes are worth something.
pub(crate) fn usable(nodes: &[Facts], findings: &[Finding]) -> usize {
    let is_problem = |finding: &&Finding| finding.severity() == Severity::Problem;
    let has_problem = |node: &Facts| {
        let own = findings.iter().filter(|finding| finding.node.as_ref() == Some(&node.label));
        own.filter(is_problem).count() > 0
    };
    nodes.iter().filter(|node| !has_problem(node)).count()
}

fn role(node: &Facts, say: &mut impl FnMut(Kind, String)) {
    if node.field("role") == Some("slave") {
        let text = "it is a replica: it takes no writes, and only masters vote";
        say(Kind::Replica, text.to_owned());
    }
    if node.field("redis_mode") == Some("cluster") {
        let text = "it is part of a cluster, and takes only the locks whose slots it has: this command \
                    knows no clusters";
        say(Kind::Cluster, text.to_owned());
    }
    if let Some(replicas) = node.number("connected_slaves").filter(|replicas| *replicas > 0) {
        let text = format!(
            "it has {replicas} replicas: if one takes its place before it knows of a lock, that vote is \
             lost"
        );
        say(Kind::Replicas, text);
    }
}

fn memory(node: &Facts, say: &mut impl FnMut(Kind, String)) {
    let Some(limit) = node.number("maxmemory").filter(|limit| *limit > 0) else { return };
    let policy = node.field("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" {
        let text = format!(
            "its maxmemory-policy is {policy} with a maxmemory of {limit} bytes: when it is full it throws \
             held locks away; make it noeviction"
        );
        return say(Kind::Eviction, text);
    }
    if node.number("used_memory").is_some_and(|used| used / 9 >= limit / 10) {
        let text = format!(
            "nearly all of its maxmemory of {limit} bytes is used: full, it grants nothing"
        );
        say(Kind::Memory, text);
    }
}

fn persistence(node: &Facts, ttl: Duration, say: &mut impl FnMut(Kind, String)) {
    let fsync = node.appendfsync.as_deref();
    let is_kept = match node.field("aof_enabled") {
        None => return,
        Some("1") => match fsync {
            Some("always") => true,
            // That it does not tell is told.
            None => return,
            Some(fsync) => {
                let text = format!(
                    "its appendfsync is {fsync}: after a power failure it has forgotten the newest locks, \
                     and grants them a second time; make it always, or let clients keep it in quarantine \
                     after a restart"
                );
                say(Kind::Appendfsync, text);
                false
            }
        },
        Some(_) => {
            let text = "it does not write each lock to disk: after a restart it has forgotten those that \
                        are held, and grants them a second time; set appendonly yes and appendfsync always, \
                        or let clients keep it in quarantine after a restart";
            say(Kind::NoPersistence, text.to_owned());
            false
        }
    };
    let uptime = node.number("uptime_in_seconds").map(Duration::from_secs);
    if let Some(uptime) = uptime.filter(|uptime| !is_kept && *uptime < ttl) {
        let text = format!(
            "it started {} ago, less than the ttl {}: it may have forgotten locks that are held",
            told(uptime),
            told(ttl)
        );
        say(Kind::Restarted, text);
    }
}

fn version(node: &Facts, say: &mut impl FnMut(Kind, String)) {
    let Some(version) = node.field("redis_version") else { return };
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    let Some(numbers) = numbers else { return };
    if numbers.as_slice() < &[2, 6, 12] {
        let text = format!("its version {version} is too old: 2.6.12 is the first that can lock");
        say(Kind::OldVersion, text);
    }
}

/// By how much the clocks of the nodes are ahead of that here: the middle one of them and of this
/// one.
fn middle_clock(nodes: &[Facts]) -> i128 {
    let mut clocks: Vec<_> = nodes.iter().filter_map(|node| Some(node.clock?.ahead)).collect();
    clocks.push(0);
    clocks.sort_unstable();
    clocks.get(clocks.len() / 2).copied().unwrap_or(0)
}

/// Clocks that are looked after are closer.
const CLOCKS_APART: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::{super::facts::Clock, *};

    const TTL: Duration = Duration::from_secs(10);
    const TIMEOUT: Duration = Duration::from_secs(1);

    fn node(place: usize) -> Facts {
        let info = [
            ("run_id", format!("id{place}")),
            ("redis_version", "7.0.15".into()),
            ("role", "master".into()),
            ("aof_enabled", "1".into()),
            ("uptime_in_seconds", "1000".into()),
            ("maxmemory", "0".into()),
        ];
        Facts {
            label: format!("n{place}"),
            info: info.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            appendfsync: Some("always".into()),
            latency: Some(Duration::from_micros(100)),
            clock: Some(Clock { ahead: 0, doubt: Duration::ZERO }),
            ..Facts::default()
        }
    }

    fn three(change: impl FnOnce(&mut Facts)) -> Vec<Facts> {
        let mut nodes: Vec<_> = (0..3).map(node).collect();
        change(&mut nodes[1]);
        nodes
    }

    fn with(changes: &[(&str, &str)]) -> Vec<Facts> {
        three(|node| {
            for (name, value) in changes {
                node.info.insert((*name).to_owned(), (*value).to_owned());
            }
        })
    }

    fn found(nodes: &[Facts]) -> Vec<Kind> {
        judge(nodes, TTL, TIMEOUT).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn three_good_nodes_are_good() {
        let nodes = three(|_| {});
        assert_eq!(found(&nodes), []);
        assert_eq!(usable(&nodes, &[]), 3);
    }

    #[test]
    fn what_info_says_is_judged() {
        for (changes, kinds) in [
            (&[("role", "slave")][..], &[Kind::Replica][..]),
            (&[("redis_mode", "cluster")], &[Kind::Cluster]),
            (&[("connected_slaves", "2")], &[Kind::Replicas]),
            (&[("run_id", "id0")], &[Kind::SameServer]),
            (&[("maxmemory_policy", "allkeys-lru")], &[]),
            (&[("maxmemory_policy", "allkeys-lru"), ("maxmemory", "9")], &[Kind::Eviction]),
            (&[("maxmemory", "100"), ("used_memory", "95")], &[Kind::Memory]),
            (&[("maxmemory", "100"), ("used_memory", "50")], &[]),
            (&[("aof_enabled", "0")], &[Kind::NoPersistence]),
            (
                &[("aof_enabled", "0"), ("uptime_in_seconds", "9")],
                &[Kind::NoPersistence, Kind::Restarted],
            ),
            (&[("uptime_in_seconds", "9")], &[]),
            (&[("redis_version", "2.6.11")], &[Kind::OldVersion]),
            (&[("redis_version", "2.6.12")], &[]),
            (&[("redis_version", "odd")], &[]),
        ] {
            assert_eq!(found(&with(changes)), kinds, "{changes:?}");
        }
    }

    #[test]
    fn what_was_measured_is_judged() {
        let fsync = three(|node| node.appendfsync = Some("everysec".into()));
        assert_eq!(found(&fsync), [Kind::Appendfsync]);
        let slow = three(|node| node.latency = Some(Duration::from_millis(501)));
        assert_eq!(found(&slow), [Kind::Slow]);
        let clock = |ahead, doubt| three(|node| node.clock = Some(Clock { ahead, doubt }));
        assert_eq!(found(&clock(600_000, Duration::ZERO)), [Kind::Clock]);
        assert_eq!(found(&clock(-600_000, Duration::ZERO)), [Kind::Clock]);
        assert_eq!(found(&clock(600_000, Duration::from_millis(200))), []);
        let untold = three(|node| node.untold.push("something"));
        assert_eq!(found(&untold), [Kind::Untold]);
    }

    #[test]
    fn a_node_that_cannot_vote_is_not_counted() {
        let gone = three(|node| node.unreachable = Some("gone".into()));
        let findings = judge(&gone, TTL, TIMEOUT);
        assert_eq!((findings[0].kind, usable(&gone, &findings)), (Kind::Unreachable, 2));
        let risky = three(|node| node.appendfsync = Some("no".into()));
        assert_eq!(usable(&risky, &judge(&risky, TTL, TIMEOUT)), 3);
    }

    #[test]
    fn the_number_of_nodes_is_judged() {
        assert_eq!(found(&[node(0)]), [Kind::SingleNode]);
        let four: Vec<_> = (0..4).map(node).collect();
        assert_eq!(found(&four), [Kind::EvenNumber]);
        let text = &judge(&four, TTL, TIMEOUT)[0].text;
        assert!(text.starts_with("4 nodes survive the loss of 1 as 3 do"), "{text}");
    }
}
