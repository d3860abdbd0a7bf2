//! A value on a Redis server that refuses late writers: a script there compares the fencing token of
//! the lock and writes, in one step. The server need not be one of those that keep the lock.
//!
//! What it shows is explained in `docs/fencing.md`.
//!
//! `cargo run --example fenced_redis --features redis-rs -- redis://127.0.0.1:6379`

#[cfg(feature = "redis-rs")]
mod value {
    use std::sync::LazyLock;

    use redlocks::{
        Fence, Stale,
        redis_rs::redis::{RedisResult, Script, aio::MultiplexedConnection},
    };

    /// A hash with the fields `value` and `fence`: both in one key, so they live and die together,
    /// and on one node of a cluster.
    ///
    /// The second argument, if there is one, is the new value. Numbers up to the largest fence are
    /// exact in the doubles that scripts compute with; what is stored and answered is text.
    static VISIT: LazyLock<Script> = LazyLock::new(|| {
        Script::new(
            "local seen = redis.call('HGET', KEYS[1], 'fence')
             if seen and tonumber(seen) > tonumber(ARGV[1]) then
                 return { seen, false }
             end
             redis.call('HSET', KEYS[1], 'fence', ARGV[1])
             if ARGV[2] then
                 redis.call('HSET', KEYS[1], 'value', ARGV[2])
             end
             return { ARGV[1], redis.call('HGET', KEYS[1], 'value') }",
        )
    });

    /// The value, for the holder with this fence to go on from: he shows it before he reads.
    pub(crate) async fn enter(
        server: &mut MultiplexedConnection,
        key: &str,
        fence: Fence,
    ) -> RedisResult<Result<Option<Vec<u8>>, Stale>> {
        let told = VISIT.key(key).arg(fence.get()).invoke_async(server).await?;
        Ok(decide(fence, told))
    }

    /// Makes this the value, unless a later holder has been here.
    pub(crate) async fn write(
        server: &mut MultiplexedConnection,
        key: &str,
        fence: Fence,
        value: &[u8],
    ) -> RedisResult<Result<(), Stale>> {
        let told = VISIT.key(key).arg(fence.get()).arg(value).invoke_async(server).await?;
        Ok(decide(fence, told).map(drop))
    }

    /// The fence that stands is this holder's, or a later one's.
    fn decide(
        fence: Fence,
        (stands, value): (u64, Option<Vec<u8>>),
    ) -> Result<Option<Vec<u8>>, Stale> {
        let stands = Fence::new(stands);
        if stands == fence { Ok(value) } else { Err(Stale::new(fence, stands)) }
    }
}

#[cfg(feature = "redis-rs")]
pub(crate) use value::{enter, write};

#[cfg(feature = "redis-rs")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Duration;

    use redlock_testkit::MemoryNode;
    use redlocks::{Redlock, Renewal, redis_rs::redis::Client};

    let url = std::env::args().nth(1).ok_or("usage: fenced_redis URL")?;
    let mut server = Client::open(url)?.get_multiplexed_async_connection().await?;
    let key = format!("redlocks:example:{}", std::process::id());
    let nodes = MemoryNode::cluster(3);
    let client = || Redlock::builder().nodes(nodes.clone()).fencing(true).build();
    let (alice, bob) = (client()?, client()?);

    // Not renewed: nor is the lock of a process that does not run.
    let lock = alice.lock("cart").ttl(Duration::from_secs(1)).renewal(Renewal::off());
    let hers = lock.acquire().await?;
    let her_fence = hers.fencing_token().ok_or("a fenced lock has a number")?;
    enter(&mut server, &key, her_fence).await??;
    write(&mut server, &key, her_fence, b"apples").await??;
    println!("alice holds the lock with fence {her_fence}, has just written, and is paused");

    let his = bob.lock("cart").acquire_within(Duration::from_secs(60)).await?;
    let his_fence = his.fencing_token().ok_or("a fenced lock has a number")?;
    println!("a second later bob gets it, with fence {his_fence}, and writes");
    let mut cart = enter(&mut server, &key, his_fence).await??.unwrap_or_default();
    cart.extend_from_slice(b", pears");
    write(&mut server, &key, his_fence, &cart).await??;

    println!("alice goes on where she was, with what she was about to write");
    let late = write(&mut server, &key, her_fence, b"no apples").await?;
    println!("    refused: {}", late.err().ok_or("the next holder's write was undone")?);
    let stands = enter(&mut server, &key, his_fence).await??.unwrap_or_default();
    println!("what stands: {}", String::from_utf8(stands)?);
    redlocks::redis_rs::redis::cmd("DEL").arg(&key).exec_async(&mut server).await?;
    his.release().await;
    Ok(())
}

#[cfg(not(feature = "redis-rs"))]
fn main() {
    println!("to write to a server, add: --features redis-rs");
}
