//! What is written about metrics, on the page and in the dashboard, is about metrics that there are.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{collections::BTreeSet, fs, path::Path};

use redlocks::{METRICS, Metric, MetricKind};
use serde_json::Value;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A row of the page's table.
fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{} ", labels.join(", ")) };
    let Metric { name, kind, meaning, .. } = metric;
    format!("| `{name}` | {kind} | {} | {labels}| {meaning} |", kind.unit())
}

#[test]
fn the_page_lists_the_metrics() {
    let page = file("docs/observing.md");
    let listed: Vec<_> = page.lines().filter(|line| line.starts_with("| `redlock_")).collect();
    assert_eq!(listed, METRICS.iter().map(row).collect::<Vec<_>>());
}

/// All queries of the dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "query" => {
                        found.push(text.clone());
                    }
                    value => queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// The words of a query, without what is in quotes.
fn words(query: &str) -> Vec<&str> {
    let unquoted = query.split('"').step_by(2);
    let words = unquoted.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|word| !word.is_empty()).collect()
}

/// The metric of which this is the name of a series, and what is appended to it.
fn metric(series: &str) -> Option<(&'static Metric, &str)> {
    METRICS.iter().find_map(|metric| {
        let suffix = series.strip_prefix(metric.name)?;
        let known = match metric.kind {
            MetricKind::Histogram => ["_bucket", "_count", "_sum"].contains(&suffix),
            _ => suffix.is_empty(),
        };
        known.then_some((metric, suffix))
    })
}

/// What is wrong with a query.
fn faults(query: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut labels = BTreeSet::new();
    for series in words(query).iter().filter(|word| word.starts_with("redlock")) {
        match metric(series) {
            None => faults.push(format!("there is no {series}")),
            Some((metric, suffix)) => {
                labels.extend(metric.labels.iter().copied());
                labels.extend((suffix == "_bucket").then_some("le"));
            }
        }
    }
    let grouped =
        query.split("by (").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
    for label in grouped.flat_map(|list| list.split(',').map(str::trim)) {
        if !labels.contains(label) {
            faults.push(format!("none of them has the label {label}"));
        }
    }
    faults
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are_and_for_all_of_them() {
    let dashboard = serde_json::from_str(&file("examples/metrics_dashboard.json")).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let mut asked = BTreeSet::new();
    for query in &found {
        assert_eq!(faults(query), [""; 0], "{query}");
        let metrics = words(query).into_iter().filter_map(metric);
        asked.extend(metrics.map(|(metric, _)| metric.name));
    }
    let all: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(asked, all);
}

#[test]
fn a_dashboard_that_asks_for_something_else_is_found() {
    assert_eq!(faults("sum by (reason) (rate(redlock_losses_total[5m]))"), [""; 0]);
    assert_eq!(faults("redlock_lost"), ["there is no redlock_lost"]);
    assert_eq!(faults("redlock_held_bucket").len(), 1);
    assert_eq!(faults("redlock_wait_seconds").len(), 1, "a histogram has series for its parts");
    assert_eq!(faults("sum by (kind) (redlock_losses_total)"), ["none of them has the label kind"]);
}
