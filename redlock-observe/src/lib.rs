#![doc = include_str!("../README.md")]

#[cfg(feature = "metrics")]
mod meter;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod names;
#[cfg(feature = "tracing")]
mod seldom;
#[cfg(feature = "metrics")]
mod table;
#[cfg(feature = "tracing")]
mod trace;

#[cfg(feature = "metrics")]
pub use meter::MetricsObserver;
#[cfg(feature = "metrics")]
pub use table::{METRICS, Metric, MetricKind};
#[cfg(feature = "tracing")]
pub use trace::TracingObserver;
