//! The table of all rules and all nodes; see the top of this test.

use futures::{FutureExt, StreamExt, stream};
use redlock_testkit::conformance::Report;

#[tokio::test]
async fn report() {
    let columns = vec![
        Report::of("memory", async || crate::memory::Memory::new()).boxed(),
        Report::of("sqlite", async || crate::sqlite::Sqlite::new()).boxed(),
        #[cfg(feature = "redis-rs")]
        Report::of("redis-rs url", async || crate::redis_rs::url::subject()).boxed(),
        #[cfg(feature = "redis-rs")]
        Report::of("resp3", async || crate::redis_rs::resp3::subject()).boxed(),
        #[cfg(feature = "redis-rs")]
        Report::of("client", async || crate::redis_rs::client::subject()).boxed(),
        #[cfg(feature = "redis-rs")]
        Report::of("manager", async || crate::redis_rs::manager::subject()).boxed(),
        #[cfg(feature = "redis-rs")]
        Report::of("multiplexed", async || crate::redis_rs::multiplexed::subject()).boxed(),
        #[cfg(feature = "python-redis-lock")]
        Report::of("python lock", async || crate::python_lock::subject()).boxed(),
        #[cfg(feature = "deadpool")]
        Report::of("deadpool url", async || crate::pooled::url::subject()).boxed(),
        #[cfg(feature = "deadpool")]
        Report::of("deadpool pool", async || crate::pooled::pool::subject()).boxed(),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred url", async || crate::fred::url::subject()).boxed(),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred resp3", async || crate::fred::resp3::subject()).boxed(),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred config", async || crate::fred::config::subject()).boxed(),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred client", async || crate::fred::client::subject()).boxed(),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        Report::of("fred pool", async || crate::fred::pool::subject()).boxed(),
    ];
    // Mostly they wait, so several are asked at once; not all of them, for they wait with a limit.
    let columns = stream::iter(columns).buffered(AT_ONCE);
    let report =
        columns.fold(Report::default(), async |so_far, column| so_far.beside(column)).await;
    println!("\n{report}\n");
    assert!(report.is_sound(), "{report}");
}

/// How many columns of the table are asked for at the same time.
const AT_ONCE: usize = 3;
