//! Many processes for one resource: what it costs the servers, and who gets the lock.

mod contest;
mod fairness;
mod tell;

use std::time::Duration;

use self::contest::{Entry, Terms};
use crate::{Failure, client::Kind, machine::Machine, report::Report, topology::Topology};

pub(crate) fn measure(quick: bool) -> Result<Report, Failure> {
    let (rounds, length) = if quick { (1, QUICK) } else { (4, FULL) };
    let terms = Terms { processes: 8, tasks: 4, hold: Duration::from_millis(1), length };
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let mut entries = Vec::new();
    for topology in &topologies {
        for &kind in Kind::ALL {
            entries.push(Entry::new(kind, topology, &terms)?);
        }
    }
    for _ in 0..rounds {
        for entry in &mut entries {
            entry.round(&terms)?;
        }
    }
    tell::tell(&entries, Report::new("Contention", quick, machine))
}

const FULL: Duration = Duration::from_secs(4);
const QUICK: Duration = Duration::from_millis(700);
