//! Many tasks add to a counter that protects itself by nothing: read, pause, write. The lock is all
//! that keeps updates from being lost, also between processes: start it twice at the same time.
//!
//! `cargo run --example counter --features redis-rs -- FILE TASKS TIMES URL…`

#[cfg(feature = "redis-rs")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Duration;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, tasks, times, urls @ ..] = &arguments[..] else {
        return Err("usage: counter FILE TASKS TIMES URL…".into());
    };
    let (tasks, times): (usize, usize) = (tasks.parse()?, times.parse()?);
    let redlock = redlocks::connect(urls)?;

    let workers = (0..tasks).map(|_| {
        let lock = redlock.lock("counter").ttl(Duration::from_secs(10));
        let file = file.clone();
        tokio::spawn(async move {
            for _ in 0..times {
                let guard = lock.acquire_within(Duration::from_secs(60)).await?;
                let counted: u64 = tokio::fs::read_to_string(&file).await?.trim().parse()?;
                tokio::task::yield_now().await;
                tokio::fs::write(&file, (counted + 1).to_string()).await?;
                guard.release().await;
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await?.map_err(|error| error.to_string())?;
    }
    println!("{tasks} tasks have added 1 {times} times each");
    redlock.settled().await;
    Ok(())
}

#[cfg(not(feature = "redis-rs"))]
fn main() {
    println!("to lock on servers, add: --features redis-rs");
}
