//! What grows with what: a pair with the nodes, memory and work with the locks that are held, a
//! hand-over with those who wait.

mod held;
mod nodes;
mod waiters;

use std::num::NonZeroUsize;

use crate::{Failure, Settings, machine::Machine, report::Report, topology::Topology};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    // Only the thread that counts allocations is counted.
    let settings = Settings { threads: NonZeroUsize::MIN, ..settings };
    let topology = Topology::start(MOST)?;
    let machine = Machine::look(&topology.servers[0])?;
    let nodes = nodes::measure(&topology.urls, settings)?;
    let held = held::measure(&topology.urls[..3], settings)?;
    let waiters = waiters::measure(settings)?;
    let mut report = Report::new("What grows with what", settings, machine);
    nodes::tell(&nodes, &mut report)?;
    held::tell(&held, &mut report)?;
    waiters::tell(&waiters, &mut report)?;
    Ok(report)
}

const MOST: usize = 9;
