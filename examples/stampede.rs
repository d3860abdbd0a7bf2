//! Fifty clients want the same value at the same moment, which takes half a second to compute. One
//! computes it; the others wait, and have it from the cache. Later it is stale: one computes the next
//! while the others go on with the old one.
//!
//! What it shows is explained in `docs/caching.md`.
//!
//! `cargo run --example stampede` runs on nodes and a cache in memory.
//! `cargo run --example stampede --features redis-rs -- redis://127.0.0.1:7001 …` does the same on
//! real servers; the first of them is the cache as well.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::try_join_all;
use redlock_testkit::{MemoryCache, MemoryNode};
use redlocks::{Cache, Found, Origin, Redlock};
use tokio::time::{Instant, sleep};

const CLIENTS: usize = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    let clients = if urls.is_empty() { in_memory()? } else { on_servers(&urls)? };
    let computations = AtomicUsize::new(0);
    let key = format!("rates:{}", std::process::id());

    let everybody = async || {
        let since = Instant::now();
        let all = clients.iter().map(|client| client.rates(&key, &computations));
        let all = try_join_all(all).await?;
        let fresh = all.iter().filter(|found| !matches!(found.origin(), Origin::Stale)).count();
        println!("    {fresh} have the fresh value, {} the stale one", CLIENTS - fresh);
        println!("    after {:?}", since.elapsed());
        Ok::<_, Box<dyn Error>>(())
    };

    println!("{CLIENTS} clients find nothing in the cache:");
    everybody().await?;
    println!("    computations so far: {}", computations.load(Ordering::Relaxed));

    println!("{CLIENTS} clients find it:");
    everybody().await?;
    println!("    computations so far: {}", computations.load(Ordering::Relaxed));

    sleep(FRESH).await;
    println!("it is past its time; one client comes first, and then the others:");
    let (first, others) = tokio::join!(clients[0].rates(&key, &computations), async {
        sleep(Duration::from_millis(100)).await;
        everybody().await
    });
    println!("    the first: {}", first?.value());
    others?;
    println!("    computations in all: {}", computations.load(Ordering::Relaxed));
    for client in &clients {
        client.redlock.settled().await;
    }
    Ok(())
}

/// As if it were a program of its own: it shares nothing with others but the nodes and the cache.
struct Client {
    redlock: Redlock,
    cache: Arc<dyn Cache>,
}

impl Client {
    async fn rates(
        &self,
        key: &str,
        computations: &AtomicUsize,
    ) -> Result<Found<String>, Box<dyn Error>> {
        let found = self
            .redlock
            .get_or_compute(&*self.cache, key, FRESH)
            .stale_for(Duration::from_secs(60))
            .run(async || {
                let count = computations.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(Duration::from_millis(500)).await;
                Ok::<_, String>(format!("rates, computed {count} times"))
            });
        Ok(found.await?)
    }
}

/// Long enough that everybody has it in time.
const FRESH: Duration = Duration::from_secs(3);

fn in_memory() -> Result<Vec<Client>, Box<dyn Error>> {
    let (nodes, cache) = (MemoryNode::cluster(3), Arc::new(MemoryCache::on_tokio()));
    let client = |_| {
        let redlock = Redlock::builder().nodes(nodes.clone()).build()?;
        Ok(Client { redlock, cache: Arc::<MemoryCache>::clone(&cache) })
    };
    (0..CLIENTS).map(client).collect()
}

#[cfg(feature = "redis-rs")]
fn on_servers(urls: &[String]) -> Result<Vec<Client>, Box<dyn Error>> {
    use redlocks::redis_rs::RedisCache;

    let client = |_| {
        let cache = Arc::new(RedisCache::open(&urls[0])?);
        Ok(Client { redlock: redlocks::connect(urls)?, cache })
    };
    (0..CLIENTS).map(client).collect()
}

#[cfg(not(feature = "redis-rs"))]
fn on_servers(_: &[String]) -> Result<Vec<Client>, Box<dyn Error>> {
    Err("to use servers, add: --features redis-rs".into())
}
