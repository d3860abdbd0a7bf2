//! Uncontended pairs of acquire and release beside those of a loop by hand: [`latency`], one at a
//! time, and [`throughput`], of many tasks at once.

mod tell;

use std::time::Duration;

use self::tell::tell;
use crate::{
    Failure, Settings,
    client::Kind,
    lane::{Lane, take_turns},
    load::Load,
    machine::Machine,
    report::Report,
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
    let (rounds, ramp, window) = if settings.quick { (3, 50, 150) } else { (8, 120, 350) };
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
