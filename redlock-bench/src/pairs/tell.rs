//! From lanes to tables.

use std::time::Duration;

use serde::Serialize;

use crate::{
    Failure,
    client::Kind,
    lane::{Lane, Seen},
    overview::Mark,
    report::{Report, Table, count, spread, times},
    samples::ratio,
    series::{QUIET, Series},
};

#[derive(Serialize)]
struct Figures<'a> {
    kind: Kind,
    servers: usize,
    tasks: usize,
    pairs: usize,
    failed: u64,
    stuck: usize,
    /// Of rounds, in seconds.
    median: &'a Series,
    /// Of rounds, per second.
    rate: &'a Series,
    /// Of rounds, in seconds.
    client_cpu: &'a Series,
    /// Of rounds, of all servers together, in seconds.
    servers_cpu: &'a Series,
    /// Of rounds, for each server and pair.
    commands: &'a Series,
    p99: Duration,
}

/// All lanes have the same load.
pub(super) fn tell(lanes: &[Lane<'_>], report: &mut Report) -> Result<(), Failure> {
    let tasks = lanes.first().map_or(0, |lane| lane.load.tasks);
    let mut table = Table::new(
        format!("{tasks} at a time; microseconds, and × redis-rs by hand in the same rounds"),
        [
            "",
            "pairs",
            "failed",
            "median",
            "quiet",
            "×",
            "of rounds",
            "quiet ×",
            "p99",
            "×",
            "pairs/s",
            "×",
            "of rounds",
            "client CPU for a pair",
            "×",
            "CPU of all servers",
            "commands per server and pair",
        ],
    );
    for lane in lanes {
        let raw = &beside(lanes, lane, Kind::ByHand)?.seen;
        let seen = &lane.seen;
        let (pair, by_hand) = (seen.pairs.summary(), raw.pairs.summary());
        let (slower, faster) = (seen.median.over(&raw.median), seen.rate.over(&raw.rate));
        table.row([
            lane.name(),
            pair.count.to_string(),
            failed(seen),
            micros(seen.median.median()),
            micros(seen.median.quantile(QUIET)),
            times(slower.median()),
            spread(&slower),
            times(seen.median.quantile(QUIET) / raw.median.quantile(QUIET)),
            micros(pair.p99.as_secs_f64()),
            times(ratio(pair.p99, by_hand.p99)),
            format!("{:.0}", seen.rate.median()),
            times(faster.median()),
            spread(&faster),
            micros(seen.work.median()),
            times(seen.work.over(&raw.work).median()),
            micros(seen.servers_work.median()),
            count(seen.commands.median()),
        ]);
        let threads = match report.threads() {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        let (subject, figure) = match tasks {
            1 => (format!("latency, {threads}"), slower.median()),
            _ => (format!("pairs/s, {tasks} tasks, {threads}"), faster.median()),
        };
        let (client, servers) = (lane.kind.name(), lane.topology.servers.len());
        report.mark(Mark { client, subject, servers, times: figure });
        goals(lanes, lane, report)?;
        sanity(lane, report);
        report.figures(&Figures {
            kind: lane.kind,
            servers,
            tasks,
            pairs: pair.count,
            failed: seen.failed,
            stuck: seen.stuck,
            median: &seen.median,
            rate: &seen.rate,
            client_cpu: &seen.work,
            servers_cpu: &seen.servers_work,
            commands: &seen.commands,
            p99: pair.p99,
        })?;
    }
    report.table(table);
    Ok(())
}

/// The lane of that client on the same topology.
fn beside<'a, 'b>(
    lanes: &'a [Lane<'b>],
    lane: &Lane<'b>,
    kind: Kind,
) -> Result<&'a Lane<'b>, Failure> {
    let mut lanes = lanes.iter().filter(|other| other.topology.name() == lane.topology.name());
    lanes.find(|other| other.kind == kind).ok_or_else(|| "the loop by hand was not measured".into())
}

fn goals(lanes: &[Lane<'_>], lane: &Lane<'_>, report: &mut Report) -> Result<(), Failure> {
    let Some(by_hand) = lane.kind.by_hand() else { return Ok(()) };
    let (seen, raw) = (&lane.seen, &beside(lanes, lane, by_hand)?.seen);
    let (name, tasks) = (lane.name(), lane.load.tasks);
    if tasks == 1 {
        let slower = seen.median.over(&raw.median).median();
        report.goal(format!("{name}: latency, {} = 1", by_hand.name()), 1.1, slower);
    }
    let at_least = match (tasks, lane.kind) {
        (64.., Kind::Ours) => 1.8,
        (64.., Kind::Deadpool) => 1.0,
        _ => 0.0,
    };
    if at_least > 0.0 {
        let rate = seen.rate.over(&raw.rate).median();
        let what = format!("{name}, {tasks} at a time: pairs per second, {} = 1", by_hand.name());
        report.goal_of_at_least(what, at_least, rate);
    }
    if lane.kind == Kind::Ours {
        if tasks > 1 {
            let p99 = ratio(seen.pairs.summary().p99, raw.pairs.summary().p99);
            report.goal(
                format!("{name}, {tasks} at a time: p99, {} = 1", by_hand.name()),
                1.0,
                p99,
            );
        }
        let work = seen.work.over(&raw.work).median();
        let what = format!("{name}, {tasks} at a time: client CPU, {} = 1", by_hand.name());
        report.goal(what, 1.0, work);
    }
    Ok(())
}

/// What cannot be, or the figures mean nothing: one at a time, the loop by hand sends two commands to
/// each server, but for some that it drops before they are sent, and ours at least as many. (Of many
/// at a time, some may give up and begin again.)
fn sanity(lane: &Lane<'_>, report: &mut Report) {
    let seen = &lane.seen;
    let possible = match (lane.load.tasks, lane.kind) {
        (1, Kind::ByHand) => 1.5..=2.05,
        (1, Kind::Ours) => 1.95..=4.0,
        _ => return,
    };
    let commands = seen.commands.median();
    if seen.failed == 0 && !possible.contains(&commands) {
        let name = lane.name();
        report.fault(format!("{name}: {commands:.2} commands per server and pair were counted"));
    }
}

fn failed(seen: &Seen) -> String {
    match seen.stuck {
        0 => seen.failed.to_string(),
        stuck => format!("{}, and {stuck} stuck", seen.failed),
    }
}

fn micros(seconds: f64) -> String {
    if seconds.is_finite() { format!("{:.1}", seconds * 1e6) } else { "–".to_owned() }
}
