//! A lock from its first attempt to its release, told step by step.
//!
//! `cargo run --example quickstart` runs on five nodes in memory, one of which is down.
//! `cargo run --example quickstart --features redis-rs -- redis://127.0.0.1:7001 …` does the same
//! on real servers.

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use redlock_testkit::MemoryNode;
use redlocks::{LockNode, Redlock};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> ExitCode {
    match tell().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn tell() -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    let Nodes { healthy, majority_down } =
        if urls.is_empty() { in_memory() } else { on_servers(&urls)? };

    // Two clients, as if they were two programs: they share the nodes and nothing else.
    let alice = redlock(&healthy)?;
    let bob = redlock(&healthy)?;
    let quorum = alice.quorum();
    println!("{} nodes, of which {} must agree:", quorum.nodes(), quorum.needed());
    alice.nodes().for_each(|label| println!("    {label}"));

    let since = Instant::now();
    let mut guard = alice.lock("orders:42").ttl(Duration::from_secs(2)).acquire().await?;
    println!("\nalice acquires {:?} in {:?}", guard.resource(), since.elapsed());
    println!("    it is hers for {:?} of the 2s that the nodes keep it", guard.remaining());

    let since = Instant::now();
    match bob.lock("orders:42").try_acquire().await {
        Ok(_) => return Err("two clients hold one lock".into()),
        Err(refused) => println!("\nbob is refused in {:?}:\n    {refused}", since.elapsed()),
    }

    guard.extend(Duration::from_secs(10)).await?;
    println!("\nalice extends to 10s: now it is hers for {:?}", guard.remaining());

    // Bob waits; alice is done a little later.
    let lock = bob.lock("orders:42");
    let (released, acquired) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(120)).await;
            guard.release().await
        },
        lock.acquire_within(Duration::from_secs(5)),
    );
    println!("\nalice {released}");
    println!("bob, who waited, acquires it: {:?} are his", acquired?.remaining());

    // A closure cannot forget to release, and is never run without the lock.
    let sum = alice.lock("sum").run(async |_lease| 6 * 7).await?;
    println!("\nalice runs a job under a lock of its own: {sum}");

    let since = Instant::now();
    match redlock(&majority_down)?.lock("orders:43").try_acquire().await {
        Ok(_) => return Err("a minority of the nodes granted a lock".into()),
        Err(down) => println!("\nwith a majority down, in {:?}:\n    {down}", since.elapsed()),
    }

    // Dropped guards release in the background; a program that ends waits for that.
    alice.settled().await;
    bob.settled().await;
    Ok(())
}

struct Nodes {
    healthy: Vec<Arc<dyn LockNode>>,
    /// So many of these fail that no quorum is left.
    majority_down: Vec<Arc<dyn LockNode>>,
}

fn redlock(nodes: &[Arc<dyn LockNode>]) -> Result<Redlock, redlocks::ConfigError> {
    nodes
        .iter()
        .cloned()
        .fold(Redlock::builder(), |builder, node| builder.shared_node(node))
        .build()
}

/// Five nodes, of which the last is down; and five of which three are.
fn in_memory() -> Nodes {
    let five = |down: &[&str]| -> Vec<Arc<dyn LockNode>> {
        let node = |label| -> Arc<dyn LockNode> {
            let node = MemoryNode::named(label);
            if down.contains(&label) {
                node.crash();
            }
            Arc::new(node)
        };
        ["a", "b", "c", "d", "e"].map(node).into()
    };
    Nodes { healthy: five(&["e"]), majority_down: five(&["c", "d", "e"]) }
}

/// These servers; and the first of them with two where nobody listens.
#[cfg(feature = "redis-rs")]
fn on_servers(urls: &[String]) -> Result<Nodes, Box<dyn Error>> {
    use redlocks::redis_rs::RedisNode;

    let nodes = |urls: &[&str]| -> Result<Vec<Arc<dyn LockNode>>, Box<dyn Error>> {
        let nodes = RedisNode::open_all(urls)?;
        Ok(nodes.into_iter().map(|node| Arc::new(node) as Arc<dyn LockNode>).collect())
    };
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let nobody = ["redis://127.0.0.1:1", "redis://127.0.0.1:2"];
    Ok(Nodes { healthy: nodes(&urls)?, majority_down: nodes(&[urls[0], nobody[0], nobody[1]])? })
}

#[cfg(not(feature = "redis-rs"))]
fn on_servers(_: &[String]) -> Result<Nodes, Box<dyn Error>> {
    Err("to use servers, add: --features redis-rs".into())
}
