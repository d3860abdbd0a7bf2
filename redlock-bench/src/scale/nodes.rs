//! A pair, as the number of nodes grows.

use std::time::Duration;

use serde::Serialize;

use crate::{
    Failure, Settings,
    client::Kind,
    lane::median,
    load::Load,
    report::{Report, Table, times},
    series::{QUIET, Series},
    session::Session,
};

/// Over so many nodes.
pub(super) struct Grown {
    nodes: usize,
    memory: Lane,
    servers: Lane,
}

struct Lane {
    session: Session,
    /// Medians of rounds, in microseconds.
    micros: Series,
}

impl Lane {
    fn start(kind: Kind, urls: &[String], settings: Settings) -> Result<Self, Failure> {
        let session = Session::start(kind, urls, settings.threads)?;
        Ok(Self { session, micros: Series::default() })
    }

    fn round(&mut self) -> Result<(), Failure> {
        self.micros.push(median(&self.session.run(LOAD)?.pairs) * 1e6);
        Ok(())
    }
}

pub(super) fn measure(urls: &[String], settings: Settings) -> Result<Vec<Grown>, Failure> {
    let rounds = if settings.quick { 3 } else { 25 };
    let start = |nodes| {
        let memory = Lane::start(Kind::Memory, &urls[..nodes], settings)?;
        let servers = Lane::start(Kind::Ours, &urls[..nodes], settings)?;
        Ok(Grown { nodes, memory, servers })
    };
    let mut all = (1..=urls.len()).map(start).collect::<Result<Vec<_>, Failure>>()?;
    for _ in 0..rounds {
        for grown in &mut all {
            grown.memory.round()?;
            grown.servers.round()?;
        }
    }
    Ok(all)
}

#[derive(Serialize)]
struct Figures<'a> {
    nodes: usize,
    memory_micros: &'a Series,
    servers_micros: &'a Series,
}

pub(super) fn tell(all: &[Grown], report: &mut Report) -> Result<(), Failure> {
    let [one, ..] = all else { return Err("nothing was measured".into()) };
    let mut table = Table::new(
        "An acquire and a release by the number of nodes, in microseconds, and × that over one",
        ["nodes", "in memory: median", "quiet", "×", "servers: median", "quiet", "×"],
    );
    for Grown { nodes, memory, servers } in all {
        let mut row = vec![nodes.to_string()];
        for (lane, one) in [(memory, &one.memory), (servers, &one.servers)] {
            row.extend([
                format!("{:.1}", lane.micros.median()),
                format!("{:.1}", lane.micros.quantile(QUIET)),
                times(lane.micros.over(&one.micros).median()),
            ]);
        }
        table.row(row);
        let (memory_micros, servers_micros) = (&memory.micros, &servers.micros);
        report.figures(&Figures { nodes: *nodes, memory_micros, servers_micros })?;
    }
    report.table(table);
    Ok(())
}

const LOAD: Load = Load { tasks: 1, ramp: Duration::ZERO, window: Duration::from_millis(50) };
