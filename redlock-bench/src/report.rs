//! What a benchmark tells: [`Report`].

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use crate::{
    Failure, Settings,
    machine::Machine,
    overview::{Mark, Overview},
    series::Series,
};

/// The figures of one benchmark, and where they were taken.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    title: &'static str,
    quick: bool,
    threads: usize,
    awake: bool,
    machine: Machine,
    overview: Overview,
    tables: Vec<Table>,
    goals: Vec<Goal>,
    faults: Vec<String>,
    /// What the tables are made from.
    figures: Vec<serde_json::Value>,
}

/// A table of Markdown.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A figure that is to be on one side of a limit.
#[derive(Debug, Serialize)]
struct Goal {
    what: String,
    limit: f64,
    side: Side,
    measured: f64,
    met: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
enum Side {
    AtMost,
    AtLeast,
}

impl Report {
    pub(crate) fn new(title: &'static str, settings: Settings, machine: Machine) -> Self {
        let (overview, tables, goals, faults, figures) = Default::default();
        let Settings { quick, threads, awake } = settings;
        let (threads, machine) = (threads.get(), machine.finished());
        Self { title, quick, threads, awake, machine, overview, tables, goals, faults, figures }
    }

    pub(crate) const fn title(&self) -> &'static str {
        self.title
    }

    pub(crate) const fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn mark(&mut self, mark: Mark) {
        self.overview.mark(mark);
    }

    pub(crate) const fn overview(&self) -> &Overview {
        &self.overview
    }

    pub(crate) fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    pub(crate) fn goal(&mut self, what: impl Into<String>, at_most: f64, measured: f64) {
        let (what, limit, met) = (what.into(), at_most, measured <= at_most);
        self.goals.push(Goal { what, limit, side: Side::AtMost, measured, met });
    }

    pub(crate) fn goal_of_at_least(
        &mut self,
        what: impl Into<String>,
        at_least: f64,
        measured: f64,
    ) {
        let (what, limit, met) = (what.into(), at_least, measured >= at_least);
        self.goals.push(Goal { what, limit, side: Side::AtLeast, measured, met });
    }

    /// Something that must never be seen, whatever the figures are.
    pub(crate) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub(crate) fn figures(&mut self, figures: &impl Serialize) -> Result<(), Failure> {
        self.figures.push(serde_json::to_value(figures)?);
        Ok(())
    }

    pub(crate) const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}", self.title, self.machine);
        let _ = writeln!(text, " Threads of a process that locks: {}.", self.threads);
        if self.awake {
            text += " The processors were kept awake.\n";
        }
        if self.quick {
            text += "\nA quick run: it shows that the benchmark runs, and little else.\n";
        }
        for table in &self.tables {
            text += &table.markdown();
        }
        if !self.goals.is_empty() {
            text += "\n## Goals\n\n";
        }
        for Goal { what, limit, side, measured, met } in &self.goals {
            let verdict = if *met { "met" } else { "**missed**" };
            let side = match side {
                Side::AtMost => "at most",
                Side::AtLeast => "at least",
            };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "* {what}: {measured:.2}, {side} {limit}: {verdict}");
        }
        if !self.faults.is_empty() {
            text += "\n## Faults\n\n";
        }
        for fault in &self.faults {
            let _ = writeln!(text, "* **{fault}**");
        }
        text
    }
}

impl Table {
    pub(crate) fn new<const N: usize>(
        title: impl Into<String>,
        columns: [&'static str; N],
    ) -> Self {
        Self { title: title.into(), columns: columns.into(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n| {} |\n", self.title, self.columns.join(" | "));
        text += &format!("|---{}|\n", "|--:".repeat(self.columns.len() - 1));
        for row in &self.rows {
            text += &format!("| {} |\n", row.join(" | "));
        }
        text
    }
}

/// Milliseconds with as many digits as mean anything.
pub(crate) fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    match millis {
        ..10.0 => format!("{millis:.3}"),
        ..100.0 => format!("{millis:.1}"),
        _ => format!("{millis:.0}"),
    }
}

/// Microseconds with as many digits as mean anything.
pub(crate) fn micros(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e6)
}

/// A ratio with as many digits as mean anything.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        ..100.0 => format!("{ratio:.2} ×"),
        100.0.. => format!("{ratio:.0} ×"),
        // Not a number: one of the two has not been measured.
        _ => "–".to_owned(),
    }
}

/// Where the middle half of all rounds lies.
pub(crate) fn spread(ratios: &Series) -> String {
    let (from, to) = ratios.spread();
    format!("{} – {}", bare(from), bare(to))
}

/// A ratio without the sign, where a title says what it is.
pub(crate) fn bare(ratio: f64) -> String {
    times(ratio).trim_end_matches(" ×").to_owned()
}

/// A count that is none, or has not been taken.
pub(crate) fn count(count: f64) -> String {
    if count.is_finite() { format!("{count:.2}") } else { "–".to_owned() }
}

/// A part of a whole, in percent.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
