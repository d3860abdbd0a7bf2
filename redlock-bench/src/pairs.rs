//! Uncontended pairs of acquire and release beside those of a loop by hand: [`latency`], one at a
//! time, and [`throughput`], of many tasks at once.

use std::time::Duration;

use serde::Serialize;

use crate::{
    Failure, Settings,
    client::Kind,
    lane::{Lane, take_turns},
    load::Load,
    machine::Machine,
    report::{Report, Table, times},
    samples::ratio,
    series::{QUIET, Series},
    topology::Topology,
};

/// One task.
pub(crate) fn latency(settings: Settings) -> Result<Report, Failure> {
    let (rounds, window) = if settings.quick { (5, 30) } else { (25, 100) };
    let load = Load { tasks: 1, ramp: Duration::ZERO, window: Duration::from_millis(window) };
    measure("An uncontended pair, one at a time", settings, rounds, &[load])
}

/// 64 tasks, and 512.
pub(crate) fn throughput(settings: Settings) -> Result<Report, Failure> {
    let (rounds, ramp, window) = if settings.quick { (3, 50, 150) } else { (12, 100, 400) };
    let load = |tasks| Load {
        tasks,
        ramp: Duration::from_millis(ramp),
        window: Duration::from_millis(window),
    };
    measure("Uncontended pairs of many tasks", settings, rounds, &[load(64), load(512)])
}

fn measure(
    title: &'static str,
    settings: Settings,
    rounds: usize,
    loads: &[Load],
) -> Result<Report, Failure> {
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let mut all = Vec::new();
    for &load in loads {
        let mut lanes = Vec::new();
        for topology in &topologies {
            for &kind in Kind::UNCONTENDED {
                let lane = Lane::start(kind, topology, load, settings.threads);
                lanes.push(lane.map_err(|failure| format!("{}: {failure}", kind.name()))?);
            }
        }
        take_turns(&mut lanes, rounds)?;
        all.push(lanes);
    }
    let mut report = Report::new(title, settings, machine);
    for lanes in &all {
        tell(lanes, &mut report)?;
    }
    Ok(report)
}

#[derive(Serialize)]
struct Figures<'a> {
    kind: Kind,
    servers: usize,
    tasks: usize,
    pairs: usize,
    /// Of rounds, in seconds.
    median: &'a Series,
    /// Of rounds, per second.
    rate: &'a Series,
    /// Of rounds, in seconds.
    client_cpu: &'a Series,
    /// Of rounds, for each server and pair.
    commands: &'a Series,
    /// In seconds.
    p99: Duration,
}

fn tell(lanes: &[Lane<'_>], report: &mut Report) -> Result<(), Failure> {
    let tasks = lanes.first().map_or(0, |lane| lane.load.tasks);
    let mut table = Table::new(
        format!(
            "{tasks} at a time; times in microseconds, and × redis-rs by hand in the same rounds"
        ),
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
            "commands per server and pair",
        ],
    );
    for lane in lanes {
        let same = |other: &&Lane<'_>| {
            other.kind == Kind::ByHand && other.topology.name() == lane.topology.name()
        };
        let raw = &lanes.iter().find(same).ok_or("the loop by hand was not measured")?.seen;
        let seen = &lane.seen;
        let (pair, by_hand) = (seen.pairs.summary(), raw.pairs.summary());
        let (slower, faster) = (seen.median.over(&raw.median), seen.rate.over(&raw.rate));
        let spread = |series: &Series| {
            let (from, to) = series.spread();
            format!("{from:.2} – {to:.2}")
        };
        let work = seen.work.over(&raw.work).median();
        let p99 = ratio(pair.p99, by_hand.p99);
        table.row([
            lane.name(),
            pair.count.to_string(),
            seen.failed.to_string(),
            micros(seen.median.median()),
            micros(seen.median.quantile(QUIET)),
            times(slower.median()),
            spread(&slower),
            times(seen.median.quantile(QUIET) / raw.median.quantile(QUIET)),
            micros(pair.p99.as_secs_f64()),
            times(p99),
            format!("{:.0}", seen.rate.median()),
            times(faster.median()),
            spread(&faster),
            micros(seen.work.median()),
            times(work),
            format!("{:.2}", seen.commands.median()),
        ]);
        if lane.kind == Kind::Ours {
            let name = lane.name();
            if tasks == 1 {
                report.goal(format!("{name}: latency ÷ by hand"), 1.1, slower.median());
            } else {
                let pace = raw.rate.over(&seen.rate).median();
                report.goal(format!("{name}, {tasks} tasks: time per pair ÷ by hand"), 0.56, pace);
                report.goal(format!("{name}, {tasks} tasks: p99 ÷ by hand"), 1.0, p99);
            }
            report.goal(format!("{name}, {tasks} tasks: client CPU ÷ by hand"), 1.0, work);
        }
        report.figures(&Figures {
            kind: lane.kind,
            servers: lane.topology.servers.len(),
            tasks,
            pairs: pair.count,
            median: &seen.median,
            rate: &seen.rate,
            client_cpu: &seen.work,
            commands: &seen.commands,
            p99: pair.p99,
        })?;
    }
    report.table(table);
    Ok(())
}

fn micros(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e6)
}
