//! The table of all rules and all nodes; see the top of this test.

use redlock_testkit::conformance::Report;

#[tokio::test]
async fn report() {
    let columns = [
        Report::of("memory", async || crate::memory::Memory::new()).await,
        Report::of("sqlite", async || crate::sqlite::Sqlite::new()).await,
        #[cfg(feature = "redis-rs")]
        Report::of("redis-rs url", async || crate::redis_rs::url::subject()).await,
        #[cfg(feature = "redis-rs")]
        Report::of("resp3", async || crate::redis_rs::resp3::subject()).await,
        #[cfg(feature = "redis-rs")]
        Report::of("client", async || crate::redis_rs::client::subject()).await,
        #[cfg(feature = "redis-rs")]
        Report::of("manager", async || crate::redis_rs::manager::subject()).await,
        #[cfg(feature = "redis-rs")]
        Report::of("multiplexed", async || crate::redis_rs::multiplexed::subject()).await,
        #[cfg(feature = "python-redis-lock")]
        Report::of("python lock", async || crate::python_lock::subject()).await,
        #[cfg(feature = "deadpool")]
        Report::of("deadpool url", async || crate::pooled::url::subject()).await,
        #[cfg(feature = "deadpool")]
        Report::of("deadpool pool", async || crate::pooled::pool::subject()).await,
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred url", async || crate::fred::url::subject()).await,
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred resp3", async || crate::fred::resp3::subject()).await,
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred config", async || crate::fred::config::subject()).await,
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred client", async || crate::fred::client::subject()).await,
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred pool", async || crate::fred::pool::subject()).await,
    ];
    let report = columns.into_iter().fold(Report::default(), Report::beside);
    println!("\n{report}\n");
    assert!(report.is_sound(), "{report}");
}
