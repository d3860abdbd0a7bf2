//! What clients that believe in their locks do while servers are stopped, killed and restarted, and
//! whether it can have been right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redlock_testkit::{
    History, Outcome, Update,
    server::{Options, Servers},
};
use redlocks::{Redlock, Resource, TokioRuntime};

use crate::support::{MS, node, redlock};

/// Each client takes the lock, reads a counter, pauses and writes it, over and over.
async fn count(
    name: String,
    redlock: Redlock,
    counter: Arc<AtomicU64>,
    history: History,
    over: Arc<AtomicBool>,
) {
    let lock = redlock.lock("counter").ttl(Duration::from_secs(2));
    while !over.load(Ordering::Relaxed) {
        let Ok(guard) = lock.acquire_within(Duration::from_secs(1)).await else { continue };
        let valid = || guard.is_valid();
        let Some(hold) = history.begin(&*name, guard.resource(), valid) else { continue };
        let read = counter.load(Ordering::SeqCst);
        tokio::time::sleep(MS).await;
        if hold.confirm(valid) {
            counter.store(read + 1, Ordering::SeqCst);
            let resource = guard.resource().clone();
            history.update(Update::new(&*name, resource, read, Outcome::Done));
        }
        guard.release().await;
    }
    redlock.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_in_the_history_of_servers_that_are_stopped_killed_and_restarted() {
    // With their data on disk, or they would forget locks that are held.
    let mut servers = Servers::with(5, &Options::new().persistent()).unwrap();
    let history = History::new(Arc::new(TokioRuntime::new()));
    let (counter, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let urls = servers.urls();
    let looking: Vec<_> = urls.iter().enumerate().map(|(place, url)| node(place, url)).collect();
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let redlock = redlock(&servers);
            let (counter, history, over) =
                (Arc::clone(&counter), history.clone(), Arc::clone(&over));
            tokio::spawn(count(format!("client {client}"), redlock, counter, history, over))
        })
        .collect();
    // Two at a time, so that there always is a quorum. On a busy machine few holds come to pass in
    // eight rounds; without some nothing is proven.
    for round in (0..80).take_while(|round| *round < 8 || history.holds() <= 50) {
        let (stopped, killed) = (round % 5, (round + 2) % 5);
        servers[stopped].stop();
        servers[killed].kill();
        tokio::time::sleep(150 * MS).await;
        servers[stopped].cont();
        tokio::task::block_in_place(|| servers[killed].restart()).unwrap();
        tokio::time::sleep(100 * MS).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    history.scan(&looking, &[Resource::new("counter").unwrap()]).await;
    assert_eq!(history.check(), []);
    let holds = history.holds();
    assert!(holds > 50, "only {holds} holds: nothing is proven");
}
