//! An application that takes locks, and how it is tested: on nodes in memory behind a simulated
//! network, in virtual time. What the guide in `docs/testing.md` explains.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

/// The application: runs each job once, however many runners there are.
mod app {
    use std::{
        collections::BTreeSet,
        future::Future,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use redlocks::{Error, Redlock};

    /// What all runners share: in real life a table in a database.
    #[derive(Clone, Default)]
    pub(crate) struct Journal(Arc<Mutex<(BTreeSet<String>, Vec<String>)>>);

    #[derive(Debug, PartialEq)]
    pub(crate) enum Outcome {
        /// This runner did the job.
        Done,
        /// It had been done, or another runner is at it.
        LeftToOthers,
        /// The lock was lost on the way; somebody else may go on.
        Lost,
        /// There is no majority of nodes to ask; nothing was done.
        NoLockService,
    }

    pub(crate) struct Runner {
        pub(crate) redlock: Redlock,
        pub(crate) journal: Journal,
    }

    impl Runner {
        /// Does a job of so many steps, each of which must not be done by two runners at a time.
        pub(crate) async fn run<S: Future<Output = ()>>(
            &self,
            job: &str,
            steps: u32,
            step: impl Fn() -> S,
        ) -> Outcome {
            let lock = self.redlock.lock(format!("job:{job}")).ttl(Duration::from_secs(5));
            let guard = match lock.try_acquire().await {
                Ok(guard) => guard,
                Err(Error::Contended(_)) => return Outcome::LeftToOthers,
                Err(_) => return Outcome::NoLockService,
            };
            if self.journal.is_done(job) {
                return Outcome::LeftToOthers;
            }
            for _ in 0..steps {
                step().await;
                if !guard.is_valid() {
                    return Outcome::Lost;
                }
                self.journal.write(job);
            }
            self.journal.done(job);
            guard.release().await;
            Outcome::Done
        }
    }

    impl Journal {
        pub(crate) fn is_done(&self, job: &str) -> bool {
            self.0.lock().unwrap().0.contains(job)
        }

        fn done(&self, job: &str) {
            self.0.lock().unwrap().0.insert(job.to_owned());
        }

        fn write(&self, job: &str) {
            self.0.lock().unwrap().1.push(job.to_owned());
        }

        pub(crate) fn steps(&self) -> usize {
            self.0.lock().unwrap().1.len()
        }
    }
}

use std::{sync::Arc, time::Duration};

use app::{Journal, Outcome, Runner};
use futures::join;
use redlock_testkit::{SimClient, SimCluster, SimRandom, SimRuntime};
use redlocks::Redlock;

const SECOND: Duration = Duration::from_secs(1);

/// A runner in a process of its own, on the nodes of the cluster. What it draws by chance follows
/// from the seed, so that a run which fails can be repeated.
fn runner(sim: &SimRuntime, cluster: &SimCluster, journal: &Journal) -> (Runner, SimClient) {
    let process = sim.client();
    let redlock = Redlock::builder()
        .nodes(cluster.links())
        .runtime(process.shared())
        .random(Arc::new(SimRandom::new(sim.random().number())))
        .build()
        .unwrap();
    (Runner { redlock, journal: journal.clone() }, process)
}

#[test]
fn two_runners_do_a_job_once() {
    for seed in 0..20 {
        let (sim, journal) = (SimRuntime::new(seed), Journal::default());
        let cluster = SimCluster::new(&sim, 3);
        let (one, process) = runner(&sim, &cluster, &journal);
        let (two, _) = runner(&sim, &cluster, &journal);
        let step = || process.sleep(SECOND);
        let outcomes =
            sim.block_on(async { join!(one.run("bill", 3, step), two.run("bill", 3, step)) });
        // Both may be refused, if they ask in the same instant. Never may both do it.
        assert_ne!(outcomes, (Outcome::Done, Outcome::Done), "seed {seed}");
        let again = sim.block_on(two.run("bill", 3, step));
        assert!(journal.is_done("bill") && again != Outcome::Lost, "seed {seed}");
        assert_eq!(journal.steps(), 3, "seed {seed}");
    }
}

#[test]
fn a_seed_is_a_run() {
    let run = |seed| {
        let (sim, journal) = (SimRuntime::new(seed), Journal::default());
        let cluster = SimCluster::new(&sim, 3);
        let (one, process) = runner(&sim, &cluster, &journal);
        let (two, _) = runner(&sim, &cluster, &journal);
        let turn = async |runner: &Runner| {
            // Who comes second waits, for as long as chance says.
            let guard = runner.redlock.lock("job:bill").acquire().await.unwrap();
            process.sleep(SECOND).await;
            guard.release().await;
        };
        sim.block_on(async { join!(turn(&one), turn(&two)) });
        sim.log_hash()
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(0), run(1));
}

#[test]
fn a_runner_survives_the_loss_of_a_node_but_not_of_the_majority() {
    let (sim, journal) = (SimRuntime::new(1), Journal::default());
    let cluster = SimCluster::new(&sim, 3);
    let (runner, process) = runner(&sim, &cluster, &journal);
    let step = || process.sleep(SECOND);

    cluster.nodes()[0].crash();
    assert_eq!(sim.block_on(runner.run("first", 1, step)), Outcome::Done);
    cluster.nodes()[1].hang();
    assert_eq!(sim.block_on(runner.run("second", 1, step)), Outcome::NoLockService);
    assert!(!journal.is_done("second"));
    cluster.heal();
    assert_eq!(sim.block_on(runner.run("second", 1, step)), Outcome::Done);
}

#[test]
fn a_runner_that_was_paused_too_long_stops_and_another_goes_on() {
    let (sim, journal) = (SimRuntime::new(1), Journal::default());
    let cluster = SimCluster::new(&sim, 3);
    let (paused, process) = runner(&sim, &cluster, &journal);
    let (other, _) = runner(&sim, &cluster, &journal);

    let pause = process.clone();
    let job = process.run(async move {
        let step = || {
            // The whole process stands still in the middle of a step, as when its machine moves.
            pause.freeze(6 * SECOND);
            pause.sleep(SECOND)
        };
        paused.run("bill", 2, step).await
    });
    let outcome = sim.block_on(job).unwrap();
    assert_eq!(outcome, Outcome::Lost);
    assert_eq!(journal.steps(), 0, "it noticed before it wrote");
    assert_eq!(sim.block_on(other.run("bill", 2, || sim.sleep(SECOND))), Outcome::Done);
    assert_eq!(journal.steps(), 2);
}
