//! Tasks that do nothing but acquire and release: [`Load`].

use std::{
    mem,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures::{executor::block_on, future::try_join_all};

use tokio::{task::yield_now, time::timeout};

use crate::{Failure, client::LockClient, clock::Instant, usage::worked};

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
    /// How long each pair took that began inside of the window; if it is too short for most tasks to
    /// begin one, all pairs.
    pub(crate) pairs: Vec<Duration>,
    /// Pairs per second: of those that ended inside of the window, or, if most tasks had not two of
    /// them, of all from the start to the end of the last.
    pub(crate) rate: f64,
    early: Vec<Duration>,
    ended: u64,
    /// All pairs, also those before and after.
    pub(crate) all: u64,
    /// Acquires that ended without a lock, and releases that were not confirmed.
    pub(crate) failed: u64,
    /// Tasks that had not ended long after the window had closed.
    pub(crate) stuck: usize,
    /// The processor time of this process for all pairs, and for what they leave to be done.
    pub(crate) work: Duration,
}

impl Load {
    /// The resources' names begin with this one. Must be called from a task: most code that locks
    /// is one, and the thread that blocks on a runtime wakes up differently.
    pub(crate) async fn run(
        self,
        client: &Arc<dyn LockClient>,
        name: &str,
    ) -> Result<Done, Failure> {
        let (before, begun) = (worked(), Instant::now());
        let window = self.window();
        let patience = self.ramp + self.window + PATIENCE;
        let task = |task| {
            let (client, resource) = (Arc::clone(client), format!("{name}: {task}"));
            async move {
                let mut done = Done::default();
                let pairs = alone(client.as_ref(), &resource, window, &mut done);
                let in_time = timeout(patience, pairs).await;
                done.stuck = usize::from(in_time.is_err());
                done
            }
        };
        let mut done = match self.tasks {
            1 => task(0).await,
            tasks => {
                let tasks = (0..tasks).map(|number| tokio::spawn(task(number)));
                try_join_all(tasks).await?.into_iter().fold(Done::default(), Done::and)
            }
        };
        done = done.rated(self, Instant::now().since(begun));
        if done.stuck == 0 {
            // What lasts for as long as a server hangs is nothing to wait for.
            let _ = timeout(PATIENCE, client.settled()).await;
        }
        done.work = worked().saturating_sub(before);
        Ok(done)
    }

    /// The same for a client that blocks: each task is a thread. Those that are stuck go on.
    pub(crate) fn run_on_threads(self, client: &Arc<dyn LockClient>, name: &str) -> Done {
        let (before, begun) = (worked(), Instant::now());
        let window = self.window();
        let (sender, ended) = mpsc::channel();
        for task in 0..self.tasks {
            let (client, sender) = (Arc::clone(client), sender.clone());
            let resource = format!("{name}: {task}");
            thread::spawn(move || {
                let mut done = Done::default();
                block_on(alone(client.as_ref(), &resource, window, &mut done));
                // Nobody may wait for it any more.
                let _ = sender.send(done);
            });
        }
        let deadline = Instant::now().after(self.ramp + self.window + PATIENCE);
        let mut done = Done { stuck: self.tasks, ..Done::default() };
        while done.stuck > 0 {
            match ended.recv_timeout(deadline.since(Instant::now())) {
                Ok(other) => {
                    done = done.and(other);
                    done.stuck -= 1;
                }
                Err(_) => break,
            }
        }
        done = done.rated(self, Instant::now().since(begun));
        done.work = worked().saturating_sub(before);
        done
    }

    fn window(self) -> (Instant, Instant) {
        let from = Instant::now().after(self.ramp);
        (from, from.after(self.window))
    }
}

impl Done {
    fn rated(mut self, load: Load, took: Duration) -> Self {
        let tasks = load.tasks as u64;
        self.rate = if self.ended >= 2 * tasks {
            self.ended as f64 / load.window.as_secs_f64()
        } else {
            self.all as f64 / took.as_secs_f64()
        };
        let early = mem::take(&mut self.early);
        if self.pairs.len() < load.tasks {
            self.pairs.extend(early);
        }
        self
    }

    fn and(mut self, other: Self) -> Self {
        self.pairs.extend(other.pairs);
        self.early.extend(other.early);
        Self {
            ended: self.ended + other.ended,
            all: self.all + other.all,
            failed: self.failed + other.failed,
            stuck: self.stuck + other.stuck,
            ..self
        }
    }
}

/// One task, until the window has closed.
async fn alone(
    client: &dyn LockClient,
    resource: &str,
    (from, until): (Instant, Instant),
    done: &mut Done,
) {
    let mut begun = Instant::now();
    while begun < until {
        let released = client.pair(resource).await.unwrap_or(false);
        let ended = Instant::now();
        if released {
            done.all += 1;
            done.ended += u64::from(from <= ended && ended < until);
            let pairs = if from <= begun { &mut done.pairs } else { &mut done.early };
            pairs.push(ended.since(begun));
        } else {
            done.failed += 1;
            // Who fails at once leaves the others their turn.
            yield_now().await;
        }
        begun = ended;
    }
}

/// So long after the window has closed who has not ended is stuck.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Kind;

    const MS: Duration = Duration::from_millis(1);
    const LOAD: Load = Load { tasks: 2, ramp: MS, window: Duration::from_millis(100) };

    #[test]
    fn what_ends_in_the_window_is_the_rate() {
        let done =
            Done { ended: 4, all: 9, pairs: vec![MS; 4], early: vec![MS], ..Done::default() };
        let done = done.rated(LOAD, 200 * MS);
        assert_eq!((done.rate, done.pairs.len()), (40.0, 4));
    }

    #[test]
    fn who_is_too_slow_for_the_window_is_rated_as_a_whole() {
        let done =
            Done { ended: 1, all: 3, pairs: vec![MS], early: vec![MS; 2], ..Done::default() };
        let done = done.rated(LOAD, 300 * MS);
        assert_eq!((done.rate, done.pairs.len()), (10.0, 3));
    }

    #[test]
    fn a_load_counts_what_its_tasks_do() {
        let runtime = crate::session::runtime(std::num::NonZeroUsize::MIN).unwrap();
        let client: Arc<dyn LockClient> = Kind::Memory.client(&["one".to_owned()]).unwrap().into();
        let done = runtime.block_on(LOAD.run(&client, "memory")).unwrap();
        assert!(done.all > 2 && done.rate > 0.0, "{done:?}");
        assert_eq!((done.failed, done.stuck), (0, 0));
    }
}
