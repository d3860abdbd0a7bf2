//! What a benchmark tells: [`Report`].

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use crate::{Failure, Settings, machine::Machine};

/// The figures of one benchmark, and where they were taken.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    title: &'static str,
    quick: bool,
    threads: usize,
    machine: Machine,
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

/// A figure that must not exceed a limit.
#[derive(Debug, Serialize)]
struct Goal {
    what: String,
    at_most: f64,
    measured: f64,
    met: bool,
}

impl Report {
    pub(crate) fn new(title: &'static str, settings: Settings, machine: Machine) -> Self {
        let (tables, goals, faults, figures) = Default::default();
        let Settings { quick, threads } = settings;
        let (threads, machine) = (threads.get(), machine.finished());
        Self { title, quick, threads, machine, tables, goals, faults, figures }
    }

    pub(crate) fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    pub(crate) fn goal(&mut self, what: impl Into<String>, at_most: f64, measured: f64) {
        let met = measured <= at_most;
        self.goals.push(Goal { what: what.into(), at_most, measured, met });
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

    pub(crate) fn json(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}", self.title, self.machine);
        let _ = writeln!(text, " Threads of a process that locks: {}.", self.threads);
        if self.quick {
            text += "\nA quick run: it shows that the benchmark runs, and little else.\n";
        }
        for table in &self.tables {
            text += &table.markdown();
        }
        if !self.goals.is_empty() {
            text += "\n## Goals\n\n";
        }
        for Goal { what, at_most, measured, met } in &self.goals {
            let verdict = if *met { "met" } else { "**missed**" };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "* {what}: {measured:.2}, at most {at_most}: {verdict}");
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
    if ratio < 100.0 { format!("{ratio:.2} ×") } else { format!("{ratio:.0} ×") }
}

/// A part of a whole, in percent.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
