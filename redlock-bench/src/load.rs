//! Tasks that do nothing but acquire and release: [`Load`].

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::task::JoinError;

use crate::{client::LockClient, clock::Instant, usage::worked};

/// So many tasks, each with a resource of its own that nobody else wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) tasks: usize,
    /// Before anything counts: by then not all tasks do the same at the same time any more.
    pub(crate) ramp: Duration,
    /// The time that counts.
    pub(crate) window: Duration,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How long each pair took that ended inside of the window.
    pub(crate) pairs: Vec<Duration>,
    /// All pairs, also those before and after.
    pub(crate) all: u64,
    /// Acquires that ended without a lock, and releases that were not confirmed.
    pub(crate) failed: u64,
    /// The processor time of this process for all pairs, and for what they leave to be done.
    pub(crate) work: Duration,
}

impl Load {
    /// Must be called from a task: most code that locks is one, and the thread that blocks on a
    /// runtime wakes up differently.
    pub(crate) async fn run(self, client: &Arc<dyn LockClient>) -> Result<Done, JoinError> {
        let before = worked();
        let from = Instant::now().after(self.ramp);
        let until = from.after(self.window);
        let mut done = match self.tasks {
            1 => alone(client.as_ref(), 0, from, until).await,
            tasks => {
                let tasks = (0..tasks).map(|task| {
                    let client = Arc::clone(client);
                    tokio::spawn(async move { alone(client.as_ref(), task, from, until).await })
                });
                try_join_all(tasks).await?.into_iter().fold(Done::default(), Done::and)
            }
        };
        client.settled().await;
        done.work = worked().saturating_sub(before);
        Ok(done)
    }
}

impl Done {
    fn and(mut self, other: Self) -> Self {
        self.pairs.extend(other.pairs);
        Self { all: self.all + other.all, failed: self.failed + other.failed, ..self }
    }
}

/// One task, until the window has closed.
async fn alone(client: &dyn LockClient, task: usize, from: Instant, until: Instant) -> Done {
    let resource = format!("of task {task}");
    let mut done = Done::default();
    let mut begun = Instant::now();
    while begun < until {
        let released = match client.acquire(&resource).await {
            Ok(held) => held.release().await,
            Err(_) => false,
        };
        let ended = Instant::now();
        match released {
            true => done.all += 1,
            false => {
                done.failed += 1;
                // Who fails at once leaves the others their turn.
                tokio::task::yield_now().await;
            }
        }
        if released && from <= ended && ended < until {
            done.pairs.push(ended.since(begun));
        }
        begun = ended;
    }
    done
}
