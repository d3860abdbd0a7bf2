//! Everything that the table of the project's README is made from, in one run.

use std::{fmt::Write, num::NonZeroUsize, thread};

use serde::Serialize;

use crate::{
    Failure, Settings, alloc, core, faults, overview::Overview, pairs, report::Report, scale,
};

/// What was measured, in one benchmark or in many.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    overview: Overview,
    reports: Vec<Report>,
}

/// With a runtime of one thread, and with one that has as many as the machine has cores.
pub(crate) fn measure(settings: Settings) -> Result<Results, Failure> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let alone = Settings { threads: NonZeroUsize::MIN, ..settings };
    let many = Settings { threads: cores, ..settings };
    let mut reports = Vec::new();
    for (what, settings) in [
        (pairs::latency as fn(Settings) -> _, many),
        (pairs::throughput, many),
        (pairs::latency, alone),
        (pairs::throughput, alone),
        (alloc::measure, alone),
        (faults::measure, many),
        (core::measure, alone),
        (scale::measure, alone),
    ] {
        let report: Report = what(settings)?;
        // Whoever looks on sees that it goes on.
        eprintln!("measured: {}", report.title());
        reports.push(report);
    }
    Ok(Results::of(reports))
}

impl Results {
    pub(crate) fn of(reports: Vec<Report>) -> Self {
        let mut overview = Overview::default();
        for report in &reports {
            overview.extend(report.overview().clone());
        }
        Self { overview, reports }
    }

    pub(crate) const fn overview(&self) -> &Overview {
        &self.overview
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.reports.iter().all(Report::is_sound)
    }

    pub(crate) fn json(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        if !self.overview.is_empty() {
            text += &self.overview.markdown();
        }
        for report in &self.reports {
            // Writing to a text cannot fail.
            let _ = write!(text, "\n{}", report.markdown());
        }
        text.trim_start().to_owned()
    }
}
