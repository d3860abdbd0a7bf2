//! What a pair allocates, on the client's side.

use std::num::NonZeroUsize;

use allocation_counter::AllocationInfo;
use serde::Serialize;

use crate::{
    Failure, Settings,
    client::Kind,
    machine::Machine,
    overview::Mark,
    report::{Report, Table, times},
    session::Session,
    topology::Topology,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    // Only the thread that counts is counted.
    let settings = Settings { threads: NonZeroUsize::MIN, ..settings };
    let pairs = if settings.quick { 50 } else { 500 };
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let own = Own {
        acquire_and_release: cost(Kind::Idle, &topologies[0], pairs)?,
        pair: cost(Kind::IdlePair, &topologies[0], pairs)?,
    };
    let mut seen = Vec::new();
    for topology in &topologies {
        for &kind in Kind::UNCONTENDED {
            let cost = cost(kind, topology, pairs)?.without(own.of(kind));
            seen.push(Figures { kind, servers: topology.servers.len(), cost });
        }
    }
    let mut report = Report::new("What a pair allocates", settings, machine);
    tell(&seen, &mut report)?;
    Ok(report)
}

/// For one pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Cost {
    allocations: f64,
    bytes: f64,
}

impl Cost {
    fn of(info: AllocationInfo, pairs: usize) -> Self {
        let per_pair = |sum: u64| sum as f64 / pairs as f64;
        Self { allocations: per_pair(info.count_total), bytes: per_pair(info.bytes_total) }
    }

    fn without(self, own: Self) -> Self {
        Self { allocations: self.allocations - own.allocations, bytes: self.bytes - own.bytes }
    }
}

/// What this benchmark allocates itself, to call any client in the same way.
struct Own {
    acquire_and_release: Cost,
    pair: Cost,
}

impl Own {
    const fn of(&self, kind: Kind) -> Cost {
        if kind.has_acquire() { self.acquire_and_release } else { self.pair }
    }
}

/// After as many pairs that are not counted: by then tables have grown.
fn cost(kind: Kind, topology: &Topology, pairs: usize) -> Result<Cost, Failure> {
    let session = Session::start(kind, &topology.urls, NonZeroUsize::MIN)?;
    session.pairs(pairs)?;
    let mut done = Ok(());
    let info = allocation_counter::measure(|| done = session.pairs(pairs));
    done?;
    Ok(Cost::of(info, pairs))
}

#[derive(Serialize)]
struct Figures {
    kind: Kind,
    servers: usize,
    cost: Cost,
}

fn tell(seen: &[Figures], report: &mut Report) -> Result<(), Failure> {
    let mut table =
        Table::new("For each pair, and × redis-rs by hand", ["", "allocations", "×", "bytes", "×"]);
    for Figures { kind, servers, cost } in seen {
        let by_hand = seen
            .iter()
            .find(|other| other.kind == Kind::ByHand && other.servers == *servers)
            .ok_or("the loop by hand was not measured")?
            .cost;
        let more = cost.allocations / by_hand.allocations;
        table.row([
            format!("{servers} × {}", kind.name()),
            format!("{:.1}", cost.allocations),
            times(more),
            format!("{:.0}", cost.bytes),
            times(cost.bytes / by_hand.bytes),
        ]);
        let (client, subject) = (kind.name(), "allocations".to_owned());
        report.mark(Mark { client, subject, servers: *servers, times: more });
        if *kind == Kind::Ours {
            let what = format!("{servers} × {client}: allocations, redis-rs by hand = 1");
            report.goal(what, 1.5, more);
        }
    }
    report.table(table);
    for figures in seen {
        report.figures(figures)?;
    }
    Ok(())
}
