//! The table of all rules and all nodes; see the top of this test.

use std::thread::{self, JoinHandle};

use redlock_testkit::conformance::{Report, Subject};
use tokio::runtime::Builder;

#[test]
fn report() {
    let columns = [
        column("memory", crate::memory::Memory::new),
        column("sqlite", crate::sqlite::Sqlite::new),
        #[cfg(feature = "redis-rs")]
        column("redis-rs url", crate::redis_rs::url::subject),
        #[cfg(feature = "redis-rs")]
        column("resp3", crate::redis_rs::resp3::subject),
        #[cfg(feature = "redis-rs")]
        column("client", crate::redis_rs::client::subject),
        #[cfg(feature = "redis-rs")]
        column("manager", crate::redis_rs::manager::subject),
        #[cfg(feature = "redis-rs")]
        column("multiplexed", crate::redis_rs::multiplexed::subject),
        #[cfg(feature = "python-redis-lock")]
        column("python lock", crate::python_lock::subject),
        #[cfg(feature = "deadpool")]
        column("deadpool url", crate::pooled::url::subject),
        #[cfg(feature = "deadpool")]
        column("deadpool pool", crate::pooled::pool::subject),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        column("fred url", crate::fred::url::subject),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        column("fred resp3", crate::fred::resp3::subject),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        column("fred config", crate::fred::config::subject),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        column("fred client", crate::fred::client::subject),
        #[cfg(all(feature = "fred", feature = "redis-rs"))]
        column("fred pool", crate::fred::pool::subject),
    ];
    let columns = columns.into_iter().map(|column| column.join().unwrap());
    let report = columns.fold(Report::default(), Report::beside);
    println!("\n{report}\n");
    assert!(report.is_sound(), "{report}");
}

/// One column of it, on a thread of its own: most of what the rules take is waiting.
fn column<S: Subject>(
    name: &'static str,
    subject: impl Fn() -> S + Send + 'static,
) -> JoinHandle<Report> {
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Report::of(name, async || subject()))
    })
}
