use std::fmt;

/// One of the metrics that a [`MetricsObserver`](crate::MetricsObserver) keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its labels. Those about a resource have the label `resource` as well, if there is a
    /// [function](crate::MetricsObserver::resource_label) for it.
    pub labels: &'static [&'static str],
    /// Whether it is about a resource.
    pub of_resource: bool,
    /// What it says.
    pub meaning: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A number that grows.
    Counter,
    /// A number of things that are there now.
    Gauge,
    /// How durations are spread, in seconds.
    Histogram,
}

impl MetricKind {
    /// In what it counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Counter | Self::Gauge => "count",
            Self::Histogram => "seconds",
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// All metrics that there are.
pub const METRICS: &[Metric] = &[
    ATTEMPTS,
    ATTEMPT_SECONDS,
    WAIT_SECONDS,
    FAILURES,
    WAITERS,
    HELD,
    HOLD_SECONDS,
    EXTENSIONS,
    MARGIN_SECONDS,
    LOSSES,
    RELEASES,
    HEALS,
    NODE_FAILURES,
    WARNINGS,
];

pub(crate) const ATTEMPTS: Metric =
    counter("redlock_attempts_total", &["outcome"], "rounds over the nodes for a lock");

pub(crate) const ATTEMPT_SECONDS: Metric =
    histogram("redlock_attempt_seconds", &[], "how long such a round took");

pub(crate) const WAIT_SECONDS: Metric =
    histogram("redlock_wait_seconds", &[], "from the call to the lock, of calls that got it");

pub(crate) const FAILURES: Metric =
    counter("redlock_failures_total", &["reason"], "calls that ended without a lock");

pub(crate) const WAITERS: Metric = gauge("redlock_waiters", "calls that wait for a lock");

pub(crate) const HELD: Metric = gauge("redlock_held", "locks that are held");

pub(crate) const HOLD_SECONDS: Metric =
    histogram("redlock_hold_seconds", &["ending"], "how long locks were held");

pub(crate) const EXTENSIONS: Metric = counter(
    "redlock_extensions_total",
    &["by", "outcome"],
    "extensions, by the renewal or by the holder",
);

pub(crate) const MARGIN_SECONDS: Metric =
    histogram("redlock_margin_seconds", &[], "what was left of the validity when it was extended");

pub(crate) const LOSSES: Metric =
    counter("redlock_losses_total", &["reason"], "locks that were lost");

pub(crate) const RELEASES: Metric = counter(
    "redlock_releases_total",
    &["outcome"],
    "what nodes made of releases, where it was waited for",
);

pub(crate) const HEALS: Metric =
    of_node(counter("redlock_heals_total", &["node"], "keys of held locks that a node has again"));

pub(crate) const NODE_FAILURES: Metric = of_node(counter(
    "redlock_node_failures_total",
    &["node", "kind"],
    "calls that a node failed, or did not answer in time",
));

pub(crate) const WARNINGS: Metric = of_node(counter(
    "redlock_warnings_total",
    &["node", "kind"],
    "nodes that work less well than they could",
));

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, of_resource: true, meaning }
}

const fn gauge(name: &'static str, meaning: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels: &[], of_resource: true, meaning }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, of_resource: true, meaning }
}

const fn of_node(metric: Metric) -> Metric {
    Metric { of_resource: false, ..metric }
}
