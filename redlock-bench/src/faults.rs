//! A pair while one of five servers hangs, or has been killed, beside five healthy ones.

use std::time::Duration;

use redlock_testkit::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::{
    Failure, Settings,
    client::Kind,
    lane::{Lane, take_turns},
    load::Load,
    machine::Machine,
    report::{Report, Table, millis, spread, times},
    topology::Topology,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let rounds = if settings.quick { 3 } else { 15 };
    let topologies = [Topology::start(5)?, Topology::start(5)?, Topology::start(5)?];
    let machine = Machine::look(&topologies[0].servers[0])?;
    let mut lanes = Vec::new();
    for &kind in Kind::UNCONTENDED {
        // Nodes in memory do not hang with a server.
        if kind.servers(&topologies[0].servers).is_empty() {
            continue;
        }
        for topology in &topologies {
            lanes.push(Lane::start(kind, topology, LOAD, settings.threads)?.without_counts());
        }
    }
    // All have their connections by now.
    for (fault, topology) in Fault::ALL.into_iter().zip(&topologies) {
        fault.befall(&topology.servers[4])?;
    }
    take_turns(&mut lanes, rounds)?;
    let mut report = Report::new("One server of five that fails", settings, machine);
    tell(&lanes, &mut report)?;
    // What still waits for it may end.
    topologies[1].servers[4].cont();
    Ok(report)
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// It is there and answers nothing.
    Hung,
    /// It is gone, and its connections with it.
    Killed,
}

impl Fault {
    const ALL: [Self; 3] = [Self::None, Self::Hung, Self::Killed];

    fn befall(self, server: &Server) -> Result<(), Failure> {
        match self {
            Self::None => {}
            Self::Hung => server.stop(),
            Self::Killed => {
                let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
                // It is a child of this process that nobody has waited for, so the id is its own.
                kill_process(pid.ok_or("a server has no process id")?, Signal::KILL)?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Figures {
    kind: Kind,
    /// Medians, in seconds; none if no pair ended.
    healthy: f64,
    hung: f64,
    killed: f64,
}

fn tell(lanes: &[Lane<'_>], report: &mut Report) -> Result<(), Failure> {
    let mut table = Table::new(
        "A pair on five servers, in milliseconds, and × the same on five healthy ones",
        [
            "",
            "healthy",
            "one hung",
            "×",
            "of rounds",
            "p99",
            "failed",
            "one killed",
            "×",
            "of rounds",
            "p99",
            "failed",
        ],
    );
    for of_kind in lanes.chunks_exact(Fault::ALL.len()) {
        let [healthy, hung, killed] = of_kind else { continue };
        let name = healthy.kind.name();
        let mut row = vec![name.to_owned(), pair(healthy)];
        for (lane, what) in [(hung, "hung"), (killed, "killed")] {
            let slower = lane.seen.median.over(&healthy.seen.median);
            row.extend([
                pair(lane),
                times(slower.median()),
                spread(&slower),
                p99(lane),
                lane.seen.failed.to_string(),
            ]);
            if healthy.kind.by_hand().is_some() {
                let what = format!("{name}: a pair, one of five {what}, five healthy = 1");
                report.goal(what, 1.05, slower.median());
            }
        }
        table.row(row);
        report.figures(&Figures {
            kind: healthy.kind,
            healthy: healthy.seen.median.median(),
            hung: hung.seen.median.median(),
            killed: killed.seen.median.median(),
        })?;
    }
    report.table(table);
    Ok(())
}

/// How long one took.
fn pair(lane: &Lane<'_>) -> String {
    match Duration::try_from_secs_f64(lane.seen.median.median()) {
        Ok(median) => millis(median),
        Err(_) if lane.seen.stuck > 0 => "none ended".to_owned(),
        Err(_) => "errors only".to_owned(),
    }
}

fn p99(lane: &Lane<'_>) -> String {
    let pairs = lane.seen.pairs.summary();
    if pairs.count > 0 { millis(pairs.p99) } else { "–".to_owned() }
}

const LOAD: Load = Load { tasks: 1, ramp: Duration::ZERO, window: Duration::from_millis(100) };
