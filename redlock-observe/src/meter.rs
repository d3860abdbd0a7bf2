use std::{fmt, sync::Arc, time::Duration};

use metrics::{Label, SharedString, Unit, describe_counter, describe_gauge, describe_histogram};
use redlock_core::{
    Acquired, Adopted, Attempted, Contended, Extended, Freed, GaveUp, HandedOn, Healed, Lost,
    NodeFailed, NotExtended, Observer, Released, Resource, ResourceSet, Waited, Waiting, Warning,
};

use crate::{
    names,
    table::{
        ATTEMPT_SECONDS, ATTEMPTS, EXTENSIONS, FAILURES, HEALS, HELD, HOLD_SECONDS, LOSSES,
        MARGIN_SECONDS, METRICS, Metric, MetricKind, NODE_FAILURES, RELEASES, WAIT_SECONDS,
        WAITERS, WARNINGS,
    },
};

/// Keeps counters, gauges and histograms with the crate `metrics`: those of
/// [`METRICS`](crate::METRICS).
///
/// They go to the recorder of the program, whichever that is, and nowhere while there is none: install
/// it before the first lock is asked for, or the gauges miss what was held by then.
///
/// Labels have few values, whatever is locked: outcomes, reasons, and the labels of the nodes.
#[derive(Clone)]
pub struct MetricsObserver {
    resource_label: Option<Arc<ResourceLabel>>,
}

type ResourceLabel = dyn Fn(&Resource) -> String + Send + Sync;

impl MetricsObserver {
    /// Describes the metrics to the recorder, so that should be there already.
    #[must_use]
    pub fn new() -> Self {
        for Metric { name, kind, meaning, .. } in METRICS.iter().copied() {
            match kind {
                MetricKind::Counter => describe_counter!(name, Unit::Count, meaning),
                MetricKind::Gauge => describe_gauge!(name, Unit::Count, meaning),
                MetricKind::Histogram => describe_histogram!(name, Unit::Seconds, meaning),
            }
        }
        Self { resource_label: None }
    }

    /// With a label `resource` on all metrics that are about one, whose value this function tells.
    ///
    /// Every value makes series of its own, which the recorder keeps for good: return one of a few,
    /// such as the part of the name that says what kind of thing is locked, and never what comes
    /// from users. The same resource must have the same value each time, or gauges go astray. A set
    /// counts once, with the value of the resource whose name comes first.
    #[must_use]
    pub fn resource_label<L: Into<String>>(
        mut self,
        label: impl Fn(&Resource) -> L + Send + Sync + 'static,
    ) -> Self {
        self.resource_label = Some(Arc::new(move |resource| label(resource).into()));
        self
    }

    fn count<const N: usize>(
        &self,
        metric: Metric,
        resources: &ResourceSet,
        values: [&'static str; N],
    ) {
        metrics::counter!(metric.name, self.labels(metric, resources, values)).increment(1);
    }

    fn add(&self, metric: Metric, resources: &ResourceSet, difference: f64) {
        metrics::gauge!(metric.name, self.labels(metric, resources, [])).increment(difference);
    }

    fn record<const N: usize>(
        &self,
        metric: Metric,
        resources: &ResourceSet,
        values: [&'static str; N],
        time: Duration,
    ) {
        metrics::histogram!(metric.name, self.labels(metric, resources, values)).record(time);
    }

    fn labels<const N: usize>(
        &self,
        metric: Metric,
        resources: &ResourceSet,
        values: [&'static str; N],
    ) -> Vec<Label> {
        let own = metric.labels.iter().zip(values);
        let own = own.map(|(&name, value)| Label::from_static_parts(name, value));
        let label = self.resource_label.as_ref().map(|label| label(resources.first()));
        own.chain(label.map(|label| Label::new("resource", label))).collect()
    }

    fn ended(&self, resources: &ResourceSet, ending: &'static str, held: Duration) {
        self.add(HELD, resources, -1.0);
        self.record(HOLD_SECONDS, resources, [ending], held);
    }
}

fn count_at_node<const N: usize>(metric: Metric, values: [SharedString; N]) {
    let labels = metric.labels.iter().zip(values);
    let labels = labels.map(|(&name, value)| Label::new(name, value)).collect::<Vec<_>>();
    metrics::counter!(metric.name, labels).increment(1);
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labelled = self.resource_label.is_some();
        f.debug_struct("MetricsObserver").field("resource_label", &labelled).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Observer for MetricsObserver {
    fn warned(&self, warning: &Warning) {
        let node = SharedString::from(Arc::clone(warning.node()));
        count_at_node(WARNINGS, [node, SharedString::const_str(warning.kind())]);
    }

    fn attempted(&self, event: &Attempted<'_>) {
        self.count(ATTEMPTS, event.resources, [event.outcome.name()]);
        self.record(ATTEMPT_SECONDS, event.resources, [], event.took);
    }

    /// Counted with the attempts.
    fn contended(&self, _: &Contended<'_>) {}

    fn waiting(&self, event: &Waiting<'_>) {
        self.add(WAITERS, event.resources, 1.0);
    }

    fn waited(&self, event: &Waited<'_>) {
        self.add(WAITERS, event.resources, -1.0);
    }

    fn acquired(&self, event: &Acquired<'_>) {
        self.record(WAIT_SECONDS, event.resources, [], event.waited);
        self.add(HELD, event.resources, 1.0);
    }

    fn gave_up(&self, event: &GaveUp<'_>) {
        self.count(FAILURES, event.resources, [event.reason.name()]);
    }

    fn adopted(&self, event: &Adopted<'_>) {
        self.add(HELD, event.resources, 1.0);
    }

    fn extended(&self, event: &Extended<'_>) {
        self.count(EXTENSIONS, event.resources, [event.by.name(), "extended"]);
        self.record(MARGIN_SECONDS, event.resources, [], event.margin);
    }

    fn not_extended(&self, event: &NotExtended<'_>) {
        self.count(EXTENSIONS, event.resources, [event.by.name(), "failed"]);
    }

    fn healed(&self, event: &Healed<'_>) {
        count_at_node(HEALS, [SharedString::from(event.label.to_owned())]);
    }

    fn lost(&self, event: &Lost<'_>) {
        self.count(LOSSES, event.resources, [names::loss(event.reason)]);
        self.ended(event.resources, "lost", event.held);
    }

    fn released(&self, event: &Released<'_>) {
        self.ended(event.resources, "released", event.held);
    }

    fn handed_on(&self, event: &HandedOn<'_>) {
        self.ended(event.resources, "handed_on", event.held);
    }

    fn freed(&self, event: &Freed<'_>) {
        self.count(RELEASES, event.resources, [names::release(event.outcome)]);
    }

    fn node_failed(&self, event: &NodeFailed<'_>) {
        let label = SharedString::from(event.error.label().to_owned());
        let kind = SharedString::const_str(names::failure(event.error.kind()));
        count_at_node(NODE_FAILURES, [label, kind]);
    }
}
