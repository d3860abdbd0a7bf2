//! Workers compete for locks, one of five nodes fails meanwhile, and what happened is shown as the
//! text that Prometheus collects.
//!
//! `cargo run --example metrics --features metrics`
//!
//! A program that is to be collected from serves this text over HTTP, for which
//! `metrics-exporter-prometheus` has a listener. The dashboard `metrics_dashboard.json` beside this
//! file shows it in Grafana.

use std::{sync::Arc, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use redlock_testkit::MemoryNode;
use redlocks::{MetricsObserver, Redlock, Resource};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Histograms with buckets, so that the figures of several processes can be added up.
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)?
        .install_recorder()?;

    // The part before the colon, of which there are few: never the whole name of a resource.
    let kind = |resource: &Resource| {
        resource.as_str().split_once(':').map_or("other", |(kind, _)| kind).to_owned()
    };
    let observer = MetricsObserver::new().resource_label(kind);

    let nodes = ["a", "b", "c", "d", "e"].map(MemoryNode::named);
    let redlock = Redlock::builder()
        .nodes(nodes.clone())
        .ttl(Duration::from_millis(600))
        .node_timeout(Duration::from_millis(50))
        .observer(Arc::new(observer))
        .build()?;

    let workers = (0..8).map(|number| {
        let lock = redlock.lock(format!("order:{}", number % 2));
        tokio::spawn(async move {
            for _ in 0..5 {
                let guard = lock.acquire_within(Duration::from_secs(10)).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                guard.release().await;
            }
            Ok::<(), redlocks::Error>(())
        })
    });
    let workers: Vec<_> = workers.collect();
    // A report that takes longer than the ttl is renewed, and no node that fails ends it.
    let report = redlock.lock("report:daily").acquire().await?;
    nodes[4].crash_and_forget();
    tokio::time::sleep(Duration::from_millis(500)).await;
    nodes[4].restart();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for worker in workers {
        worker.await??;
    }
    // Somebody holds it, so this is in vain.
    assert!(redlock.lock("report:daily").try_acquire().await.is_err());
    print!("{}", prometheus.render());
    report.release().await;
    redlock.settled().await;
    Ok(())
}

/// From a round trip within a rack to a job of a minute, in seconds.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];
