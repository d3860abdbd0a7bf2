use std::{
    io::{self, BufRead, Write},
    num::NonZeroUsize,
    process, thread,
    time::Duration,
};

use tokio::{runtime, sync::mpsc, time::sleep};

use super::{Answer, Order, contend::contend};
use crate::{
    Failure,
    client::{Held, LockClient},
    clock::Instant,
};

/// Does what comes in by the standard input, until that ends: so no worker outlives its parent,
/// however that one ends.
pub(crate) fn serve(threads: NonZeroUsize) -> Result<(), Failure> {
    let (sender, mut orders) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
        process::exit(0);
    });
    let mut runtime = match threads.get() {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(threads.get()).enable_all().build()?;
    // A task, as most code that locks is: the thread that blocks here belongs to no worker.
    let served = runtime.spawn(async move {
        let mut state = State::default();
        while let Some(line) = orders.recv().await {
            let done = match serde_json::from_str(&line) {
                Ok(order) => state.follow(order).await,
                Err(error) => Err(error.into()),
            };
            let answer = done.unwrap_or_else(|failure| Answer::Failed(failure.to_string()));
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &answer)?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        Ok(())
    });
    runtime.block_on(served)?
}

#[derive(Default)]
struct State {
    client: Option<Box<dyn LockClient>>,
    held: Option<Box<dyn Held>>,
}

impl State {
    async fn follow(&mut self, order: Order) -> Result<Answer, Failure> {
        match order {
            Order::Connect { kind, urls } => {
                let client = self.client.insert(kind.client(&urls)?);
                let own = format!("warm-up-{}", process::id());
                for _ in 0..WARM_UP {
                    client.acquire(&own).await?.release().await;
                }
                client.settled().await;
                Ok(Answer::Done)
            }
            Order::Pairs { resource, count, pause } => {
                let client = self.client()?;
                let mut pairs = Vec::with_capacity(count);
                for _ in 0..count {
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                    let begun = Instant::now();
                    client.acquire(&resource).await?.release().await;
                    pairs.push(Instant::now().since(begun));
                }
                client.settled().await;
                Ok(Answer::Pairs(pairs))
            }
            Order::Acquire { resource } => {
                let held = self.client()?.acquire(&resource).await?;
                let at = Instant::now();
                self.held = Some(held);
                Ok(Answer::At(at))
            }
            Order::Release => {
                let held = self.held.take().ok_or("nothing is held that could be released")?;
                let at = Instant::now();
                held.release().await;
                // Whoever waits for the lock is to have the processors to himself.
                sleep(QUIET).await;
                Ok(Answer::At(at))
            }
            Order::Contend(contest) => {
                let client = self.client()?;
                let turns = contend(client, &contest).await?;
                client.settled().await;
                Ok(Answer::Turns(turns))
            }
        }
    }

    fn client(&self) -> Result<&dyn LockClient, Failure> {
        self.client.as_deref().ok_or_else(|| "there is no client yet".into())
    }
}

/// So many pairs that connections are made, scripts loaded and caches warm.
const WARM_UP: usize = 20;

/// So long after a release whoever waited has the lock.
const QUIET: Duration = Duration::from_millis(3);
