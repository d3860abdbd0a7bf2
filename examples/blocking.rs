//! Locks in a program without a word of async.
//!
//! `cargo run --example blocking --features blocking,redis-rs -- URL…`

#[cfg(all(feature = "blocking", feature = "redis-rs"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{thread, time::Duration};

    use redlocks::{Retry, blocking};

    let urls: Vec<String> = std::env::args().skip(1).collect();
    let redlock = blocking::connect(urls)?;

    let (threads, times) = (4, 5);
    let retry = Retry::fixed(Duration::from_millis(5)).unlimited();
    let lock = redlock.lock("turns").retry(retry);
    let turns = thread::scope(|scope| {
        let worker = || (0..times).map(|_| lock.run(|guard| guard.check())).collect::<Vec<_>>();
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Result<Vec<_>, _>>()
    });
    let mut taken = 0;
    for turn in turns.map_err(|_| "a thread has panicked")?.into_iter().flatten() {
        turn??;
        taken += 1;
    }
    println!("{threads} threads have taken turns {taken} times");

    let guard = redlock.lock("orders:42").acquire_within(Duration::from_secs(5))?;
    println!("the program ends with {:?} in its hands", guard.resource());
    Ok(())
}

#[cfg(not(all(feature = "blocking", feature = "redis-rs")))]
fn main() {
    println!("to lock on servers, add: --features blocking,redis-rs");
}
