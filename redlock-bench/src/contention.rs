//! Many processes for one resource: what it costs the servers, and who gets the lock.

mod contest;
mod fairness;
mod tell;

use std::time::Duration;

use self::contest::{Entry, Terms};
use crate::{
    Failure, Settings, client::Kind, machine::Machine, report::Report, topology::Topology,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let (rounds, length) = if settings.quick { (1, QUICK) } else { (4, FULL) };
    let hold = Duration::from_millis(1);
    let terms = Terms { processes: 8, tasks: 4, hold, length, threads: settings.threads };
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let mut entries = Vec::new();
    for topology in &topologies {
        for &kind in Kind::LIBRARIES {
            entries.push(Entry::new(kind, topology, &terms)?);
        }
    }
    for _ in 0..rounds {
        for entry in &mut entries {
            entry.round(&terms)?;
        }
    }
    tell::tell(&entries, Report::new("Contention", settings, machine))
}

const FULL: Duration = Duration::from_secs(3);
const QUICK: Duration = Duration::from_millis(700);
