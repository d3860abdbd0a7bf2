//! What the lock costs without a network: over nodes in memory, beside tokio's mutex, and with
//! observers that do nothing or that nobody listens to.

use std::{num::NonZeroUsize, sync::Arc};

use redlocks::{MetricsObserver, Observer, Redlock, TracingObserver, testkit::MemoryNode};
use serde::Serialize;
use tokio::{runtime::Runtime, sync::Mutex};

use crate::{
    Failure, Settings,
    clock::Instant,
    machine::Machine,
    report::{Report, Table, spread, times},
    series::{QUIET, Series},
    session::runtime,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let settings = Settings { threads: NonZeroUsize::MIN, ..settings };
    let (rounds, pairs) = if settings.quick { (10, 500) } else { (100, 1000) };
    let machine = Machine::alone();
    let runtime = runtime(settings.threads)?;
    let mut lanes = Subject::ALL.map(Lane::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    for lane in &lanes {
        runtime.block_on(lane.pairs(pairs))?;
    }
    for _ in 0..rounds {
        for lane in &mut lanes {
            lane.round(pairs, &runtime)?;
        }
    }
    for lane in &mut lanes {
        lane.count(pairs, &runtime)?;
    }
    let mut report = Report::new("The lock without a network", settings, machine);
    tell(&lanes, &mut report)?;
    Ok(report)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Subject {
    Mutex,
    /// Over so many nodes.
    Plain(usize),
    Observed(By),
}

/// Who observes the lock over three nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum By {
    /// One that does nothing.
    Nobody,
    /// That of `tracing`, without a subscriber.
    Tracing,
    /// That of `metrics`, without a recorder.
    Metrics,
}

impl Subject {
    const ALL: [Self; 7] = [
        Self::Mutex,
        Self::Plain(1),
        Self::Plain(3),
        Self::Plain(5),
        Self::Observed(By::Nobody),
        Self::Observed(By::Tracing),
        Self::Observed(By::Metrics),
    ];

    fn name(self) -> String {
        match self {
            Self::Mutex => "tokio::sync::Mutex".to_owned(),
            Self::Plain(nodes) => format!("{nodes} in memory"),
            Self::Observed(By::Nobody) => "3 in memory, an observer that does nothing".to_owned(),
            Self::Observed(By::Tracing) => "3 in memory, tracing without a subscriber".to_owned(),
            Self::Observed(By::Metrics) => "3 in memory, metrics without a recorder".to_owned(),
        }
    }

    fn locker(self) -> Result<Locker, Failure> {
        let over = |nodes| Redlock::builder().nodes(MemoryNode::cluster(nodes));
        let redlock = match self {
            Self::Mutex => return Ok(Locker::Mutex(Mutex::default())),
            Self::Plain(nodes) => over(nodes),
            Self::Observed(by) => over(NODES).observer(by.observer()),
        };
        Ok(Locker::Redlock(redlock.build()?))
    }
}

impl By {
    fn observer(self) -> Arc<dyn Observer> {
        match self {
            Self::Nobody => Arc::new(Blind),
            Self::Tracing => Arc::new(TracingObserver::new()),
            Self::Metrics => Arc::new(MetricsObserver::new()),
        }
    }
}

/// It looks at nothing.
#[derive(Debug)]
struct Blind;

impl Observer for Blind {}

enum Locker {
    Mutex(Mutex<()>),
    Redlock(Redlock),
}

struct Lane {
    subject: Subject,
    locker: Locker,
    /// Of each round, the mean time of a pair in nanoseconds.
    nanos: Series,
    allocations: f64,
}

impl Lane {
    fn new(subject: Subject) -> Result<Self, Failure> {
        let locker = subject.locker()?;
        Ok(Self { subject, locker, nanos: Series::default(), allocations: 0.0 })
    }

    async fn pairs(&self, pairs: usize) -> Result<(), Failure> {
        match &self.locker {
            Locker::Mutex(mutex) => {
                for _ in 0..pairs {
                    drop(std::hint::black_box(mutex.lock().await));
                }
            }
            Locker::Redlock(redlock) => {
                for _ in 0..pairs {
                    redlock.lock(RESOURCE).acquire().await?.release().await;
                }
                redlock.settled().await;
            }
        }
        Ok(())
    }

    fn round(&mut self, pairs: usize, runtime: &Runtime) -> Result<(), Failure> {
        let begun = Instant::now();
        runtime.block_on(self.pairs(pairs))?;
        self.nanos.push(Instant::now().since(begun).as_nanos() as f64 / pairs as f64);
        Ok(())
    }

    fn count(&mut self, pairs: usize, runtime: &Runtime) -> Result<(), Failure> {
        let mut done = Ok(());
        let info = allocation_counter::measure(|| done = runtime.block_on(self.pairs(pairs)));
        self.allocations = info.count_total as f64 / pairs as f64;
        done
    }
}

#[derive(Serialize)]
struct Figures<'a> {
    subject: Subject,
    nanos: &'a Series,
    allocations: f64,
}

fn tell(lanes: &[Lane], report: &mut Report) -> Result<(), Failure> {
    let plain = lanes
        .iter()
        .find(|lane| lane.subject == Subject::Plain(NODES))
        .ok_or("the plain lock was not measured")?;
    let mut table = Table::new(
        "An acquire and a release, in nanoseconds, and × that over three nodes in memory",
        ["", "median", "quiet", "×", "of rounds", "quiet ×", "allocations"],
    );
    for Lane { subject, nanos, allocations, .. } in lanes {
        let more = nanos.over(&plain.nanos);
        table.row([
            subject.name(),
            format!("{:.0}", nanos.median()),
            format!("{:.0}", nanos.quantile(QUIET)),
            times(more.median()),
            spread(&more),
            times(nanos.quantile(QUIET) / plain.nanos.quantile(QUIET)),
            format!("{allocations:.1}"),
        ]);
        report.figures(&Figures { subject: *subject, nanos, allocations: *allocations })?;
    }
    report.table(table);
    let quiet = plain.nanos.quantile(QUIET) / 1000.0;
    report.goal("3 in memory: microseconds for an undisturbed pair", 5.0, quiet);
    Ok(())
}

const NODES: usize = 3;
const RESOURCE: &str = "in memory";
