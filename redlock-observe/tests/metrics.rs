//! What is emitted is what the table says, no more and no less.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use metrics::Unit;
use metrics_util::{
    MetricKind as Kind,
    debugging::{DebugValue, DebuggingRecorder},
};
use redlock_core::Resource;
use redlock_observe::{METRICS, Metric, MetricKind, MetricsObserver};

use self::support::told_to;

/// What a recorder has been told of one metric.
#[derive(Debug, Default)]
struct Emitted {
    kinds: BTreeSet<String>,
    units: BTreeSet<String>,
    meanings: BTreeSet<String>,
    labels: BTreeSet<Vec<String>>,
    /// The values of the labels, and the sum.
    series: BTreeMap<Vec<String>, f64>,
}

fn emitted(observer: impl FnOnce() -> MetricsObserver) -> BTreeMap<String, Emitted> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || told_to(Arc::new(observer())));
    let mut emitted = BTreeMap::<String, Emitted>::new();
    for (key, unit, meaning, value) in snapshotter.snapshot().into_vec() {
        let of = emitted.entry(key.key().name().to_owned()).or_default();
        let (kind, sum) = match (key.kind(), value) {
            (Kind::Counter, DebugValue::Counter(count)) => ("counter", count as f64),
            (Kind::Gauge, DebugValue::Gauge(value)) => ("gauge", value.into_inner()),
            (Kind::Histogram, DebugValue::Histogram(values)) => {
                ("histogram", values.iter().map(|value| value.into_inner()).sum())
            }
            other => panic!("{other:?}"),
        };
        of.kinds.insert(kind.to_owned());
        of.units.extend(unit.map(|unit| unit.as_str().to_owned()));
        of.meanings.extend(meaning.map(|meaning| meaning.to_string()));
        let (names, values) = key
            .key()
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .unzip();
        of.labels.insert(names);
        of.series.insert(values, sum);
    }
    emitted
}

fn check(emitted: &BTreeMap<String, Emitted>, more: impl Fn(&Metric) -> Vec<&'static str>) {
    let names: Vec<_> = emitted.keys().map(String::as_str).collect();
    let mut listed: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    listed.sort_unstable();
    assert_eq!(names, listed);
    for metric in METRICS {
        let one = |word: &str| BTreeSet::from([word.to_owned()]);
        let of = &emitted[metric.name];
        assert_eq!(of.kinds, one(&metric.kind.to_string()), "{}", metric.name);
        let unit = if metric.kind == MetricKind::Histogram { Unit::Seconds } else { Unit::Count };
        assert_eq!(of.units, one(unit.as_str()), "{}", metric.name);
        assert_eq!(unit.as_str(), metric.kind.unit());
        assert_eq!(of.meanings, one(metric.meaning), "{}", metric.name);
        let labels: Vec<_> = metric.labels.iter().copied().chain(more(metric)).collect();
        assert_eq!(of.labels.iter().collect::<Vec<_>>(), [&labels], "{}", metric.name);
    }
}

#[test]
fn what_is_emitted_is_what_the_table_says() {
    let emitted = emitted(MetricsObserver::new);
    check(&emitted, |_| Vec::new());
    let sum = |name: &str, labels: &[&str]| {
        let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
        let series = &emitted[name].series;
        series.get(&labels).copied().unwrap_or_else(|| panic!("{name} {labels:?}: {series:?}"))
    };
    assert_eq!(sum("redlock_held", &[]), 0.0);
    assert_eq!(sum("redlock_waiters", &[]), 0.0);
    assert_eq!(sum("redlock_attempts_total", &["granted"]), 2.0);
    assert_eq!(sum("redlock_failures_total", &["contended"]), 1.0);
    assert_eq!(sum("redlock_failures_total", &["unavailable"]), 1.0);
    assert_eq!(sum("redlock_losses_total", &["expired"]), 1.0);
    assert_eq!(sum("redlock_heals_total", &["b"]), 1.0);
    assert_eq!(sum("redlock_warnings_total", &["a", "no_notifications"]), 1.0);
    assert_eq!(sum("redlock_warnings_total", &["b", "forgetful"]), 1.0);
    assert_eq!(sum("redlock_warnings_total", &["c", "clock_stepped"]), 1.0);
    assert_eq!(sum("redlock_extensions_total", &["holder", "extended"]), 1.0);
    assert!(sum("redlock_extensions_total", &["renewal", "failed"]) >= 1.0);
    assert!(sum("redlock_node_failures_total", &["a", "unreachable"]) >= 1.0);
    assert!(sum("redlock_releases_total", &["released"]) >= 1.0);
    let waited = sum("redlock_wait_seconds", &[]);
    assert!((0.1..0.11).contains(&waited), "{waited}");
    let held = sum("redlock_hold_seconds", &["handed_on"]);
    assert!((0.4..0.41).contains(&held), "{held}");
    let margin = sum("redlock_margin_seconds", &[]);
    assert!((1.0..2.0).contains(&margin), "{margin}");
}

#[test]
fn a_resource_is_a_label_only_as_the_user_says() {
    let kind = |resource: &Resource| resource.as_str().split(':').next().unwrap().to_owned();
    let emitted = emitted(|| MetricsObserver::new().resource_label(kind));
    check(&emitted, |metric| if metric.of_resource { vec!["resource"] } else { Vec::new() });
    for (name, of) in &emitted {
        for values in of.series.keys() {
            assert!(values.iter().all(|value| !value.contains("42")), "{name} {values:?}");
        }
    }
    assert_eq!(emitted["redlock_held"].series.keys().collect::<Vec<_>>(), [&["job"]]);
}
