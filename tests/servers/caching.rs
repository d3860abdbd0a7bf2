//! Many clients that want one value at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, future::join_all};
use redlock_testkit::server::Server;
use redlocks::{Cache, Found, Origin, Redlock};

use crate::support::{MS, cache, count_keys, five, redlock};

const CLIENTS: usize = 50;

/// As of a process: with nodes and a cache of its own.
struct Client {
    redlock: Redlock,
    cache: Arc<dyn Cache>,
    computed: Arc<AtomicUsize>,
}

impl Client {
    async fn get(&self) -> Found<String> {
        let asked = self.redlock.get_or_compute(&*self.cache, "rates", 600_000 * MS);
        let patient = asked.stale_for(600_000 * MS).wait(60_000 * MS);
        let found = patient.run(async || {
            let count = self.computed.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::time::sleep(300 * MS).await;
            Ok::<_, String>(count.to_string())
        });
        found.await.unwrap()
    }
}

fn clients(servers: &[Server]) -> (Vec<Client>, Arc<AtomicUsize>) {
    let computed = Arc::<AtomicUsize>::default();
    let client = |place| Client {
        redlock: redlock(servers),
        cache: cache(place, &servers[0].url()),
        computed: Arc::clone(&computed),
    };
    ((0..CLIENTS).map(client).collect(), computed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_clients_one_computes_also_when_it_is_stale() {
    let servers = five();
    let (clients, computed) = clients(&servers);
    // Two tasks of each.
    let everybody = || join_all(clients.iter().chain(&clients).map(Client::get));
    let all = everybody().await;
    assert!(all.iter().all(|found| found.value() == "1"), "{all:?}");
    assert_eq!(all.iter().filter(|found| found.is_computed()).count(), 1);
    assert_eq!(computed.load(Ordering::Relaxed), 1);

    // As if it were past its time. Those who come too late for the stale one have the fresh one.
    servers[0].cmd::<u64>(&["PEXPIRE", "redlocks:cache:rates", "600000"]).unwrap();
    let all = everybody().await;
    let (mut stale, mut fresh) = (0, 0);
    for found in &all {
        match found.origin() {
            Origin::Stale => {
                assert_eq!(found.value(), "1");
                stale += 1;
            }
            _ => {
                assert_eq!(found.value(), &(computed.load(Ordering::Relaxed)).to_string());
                fresh += 1;
            }
        }
    }
    // Nobody computes if nobody could win the votes; one does otherwise.
    assert!(computed.load(Ordering::Relaxed) <= 2, "{fresh} fresh, {stale} stale");
    assert!(stale > 0);
    for client in &clients {
        client.redlock.settled().await;
    }
    // The value is what is left.
    assert_eq!(count_keys(&servers), 1);
}

/// The majority of the nodes goes away while one computes: he has his value all the same.
#[tokio::test]
async fn what_is_computed_while_the_nodes_go_away_is_had() {
    let mut servers = five();
    let (clients, computed) = clients(&servers);
    let (found, ()) = futures::join!(clients[0].get(), async {
        while computed.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(5 * MS).await;
        }
        for server in servers.iter_mut().skip(1).take(3) {
            server.kill();
        }
    });
    assert_eq!(found.value(), "1");
    // Fresh for all, for nobody need be asked.
    let hit = clients[1].get().await;
    assert!(matches!(hit.origin(), Origin::Cached), "{hit:?}");
}

/// Who computes for too long is found like any other holder, and reset; values are left alone.
#[tokio::test]
async fn whoever_computes_is_listed_and_can_be_reset() {
    let servers = five();
    let (clients, computed) = clients(&servers);
    let Client { redlock, cache, .. } = &clients[0];
    let other = redlock.get_or_compute(&**cache, "other", 600_000 * MS);
    other.run(async || Ok::<_, String>("1".to_owned())).await.unwrap();
    let (found, (listed, removed)) = futures::join!(clients[0].get(), async {
        while computed.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(5 * MS).await;
        }
        let listed: Vec<_> = redlock.list("").unwrap().collect().await;
        let removed: Vec<_> = redlock.reset_all("redlocks:").unwrap().collect().await;
        (listed, removed)
    });
    for listed in listed.iter().chain(&removed) {
        assert_eq!(listed.as_ref().unwrap().resource().as_str(), "redlocks:compute:rates");
    }
    assert!(listed.len() >= 3 && removed.len() >= 3, "{listed:?} {removed:?}");
    assert_eq!(found.value(), "1");
    redlock.settled().await;
    // Both values are there, or the second was not written because the reset was noticed.
    assert!((1..=2).contains(&count_keys(&servers)));
}
