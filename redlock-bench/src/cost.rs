//! What the modes that need scripts cost beside the plain one: time, and work of the servers.

use std::time::Duration;

use redlocks::{FailureKind, Redlock, RestartPolicy, Ttl, redis_rs::RedisNode};
use serde::Serialize;
use tokio::{runtime::Runtime, time::sleep};

use crate::{
    Failure, Settings,
    clock::Instant,
    machine::Machine,
    report::{Report, Table, micros, times},
    samples::{Samples, Summary, ratio},
    session::runtime,
    topology::Topology,
    usage::servers_worked,
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let plan = if settings.quick { QUICK } else { FULL };
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let runtime = runtime(settings.threads)?;
    let mut lanes = Vec::new();
    for topology in &topologies {
        for mode in Mode::ALL {
            lanes.push(Lane::start(mode, topology, &runtime)?);
        }
    }
    for _ in 0..plan.rounds {
        for lane in &mut lanes {
            lane.round(plan.pairs, &runtime)?;
        }
    }
    tell(&lanes, Report::new("What fencing and quarantine cost", settings, machine))
}

/// How much is measured.
struct Plan {
    rounds: usize,
    pairs: usize,
}

/// How nodes vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Mode {
    Plain,
    Fenced,
    Quarantine,
    Both,
}

impl Mode {
    const ALL: [Self; 4] = [Self::Plain, Self::Fenced, Self::Quarantine, Self::Both];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Fenced => "fencing",
            Self::Quarantine => "quarantine",
            Self::Both => "both",
        }
    }

    const fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::Both)
    }

    fn redlock(self, urls: &[String]) -> Result<Redlock, Failure> {
        let policy = match self {
            Self::Plain | Self::Fenced => RestartPolicy::Trust,
            Self::Quarantine | Self::Both => {
                RestartPolicy::Quarantine { max_ttl: Ttl::new(LIFETIME)? }
            }
        };
        let nodes = RedisNode::open_all(urls)?.into_iter().map(|node| node.restart_policy(policy));
        Ok(Redlock::builder().nodes(nodes).fencing(self.is_fenced()).ttl(TTL).build()?)
    }
}

/// One client, and what it has measured.
struct Lane<'a> {
    mode: Mode,
    topology: &'a Topology,
    redlock: Redlock,
    acquires: Samples,
    releases: Samples,
    /// What all servers together have worked.
    work: Duration,
    pairs: usize,
}

impl<'a> Lane<'a> {
    fn start(mode: Mode, topology: &'a Topology, runtime: &Runtime) -> Result<Self, Failure> {
        let redlock = mode.redlock(&topology.urls)?;
        runtime.block_on(warm_up(&redlock))?;
        Ok(Self {
            mode,
            topology,
            redlock,
            acquires: Samples::default(),
            releases: Samples::default(),
            work: Duration::ZERO,
            pairs: 0,
        })
    }

    fn round(&mut self, pairs: usize, runtime: &Runtime) -> Result<(), Failure> {
        let servers = &self.topology.servers;
        // What is asked to know it is work as well.
        let before = servers_worked(servers)?;
        let from = servers_worked(servers)?;
        let reading = from.saturating_sub(before);
        let (acquires, releases) = runtime.block_on(async {
            let lock = self.redlock.lock(RESOURCE);
            let (mut acquires, mut releases) = (Vec::new(), Vec::new());
            for _ in 0..pairs {
                let begun = Instant::now();
                let guard = lock.acquire().await?;
                let got = Instant::now();
                guard.release().await;
                releases.push(Instant::now().since(got));
                acquires.push(got.since(begun));
            }
            self.redlock.settled().await;
            Ok::<_, Failure>((acquires, releases))
        })?;
        self.work += servers_worked(servers)?.saturating_sub(from).saturating_sub(reading);
        self.pairs += pairs;
        self.acquires.round(acquires);
        self.releases.round(releases);
        Ok(())
    }

    /// The processor time of each server for one pair.
    fn work_per_pair(&self) -> Duration {
        let shares = self.pairs * self.topology.servers.len();
        self.work.div_f64(shares.max(1) as f64)
    }
}

/// Until every node votes: some do not for as long as they may have forgotten a lock.
async fn warm_up(redlock: &Redlock) -> Result<(), Failure> {
    let mut well = 0;
    while well < WARM_UP {
        let guard = match redlock.lock(RESOURCE).try_acquire().await {
            Ok(guard) => guard,
            Err(error) if is_in_quarantine(&error) => {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        guard.release().await;
        well += 1;
    }
    redlock.settled().await;
    Ok(())
}

fn is_in_quarantine(error: &redlocks::Error) -> bool {
    error.report().is_some_and(|report| {
        let mut errors = report.nodes().iter().filter_map(|node| node.error());
        errors.any(|error| error.kind() == FailureKind::Quarantined)
    })
}

#[derive(Serialize)]
struct Figures<'a> {
    mode: Mode,
    topology: &'a str,
    acquire: Summary,
    release: Summary,
    server_time_of_a_pair: Duration,
}

fn tell(lanes: &[Lane<'_>], mut report: Report) -> Result<Report, Failure> {
    let mut table = Table::new(
        "Uncontended, over redis-rs; microseconds, and × the plain mode of the same topology",
        [
            "",
            "pairs",
            "acquire: median",
            "of rounds",
            "×",
            "p99",
            "release: median",
            "×",
            "processor time of each server for a pair",
            "×",
        ],
    );
    for lane in lanes {
        let name = lane.topology.name();
        let plain = lanes
            .iter()
            .find(|other| other.mode == Mode::Plain && other.topology.name() == name)
            .ok_or("the plain mode was not measured")?;
        let (acquire, release) = (lane.acquires.summary(), lane.releases.summary());
        let acquired = ratio(acquire.median, plain.acquires.summary().median);
        let released = ratio(release.median, plain.releases.summary().median);
        let work = lane.work_per_pair();
        table.row([
            format!("{name}, {}", lane.mode.name()),
            lane.pairs.to_string(),
            micros(acquire.median),
            format!("{} – {}", micros(acquire.spread.0), micros(acquire.spread.1)),
            times(acquired),
            micros(acquire.p99),
            micros(release.median),
            times(released),
            micros(work),
            times(ratio(work, plain.work_per_pair())),
        ]);
        report.figures(&Figures {
            mode: lane.mode,
            topology: &name,
            acquire,
            release,
            server_time_of_a_pair: work,
        })?;
    }
    report.table(table);
    Ok(report)
}

const FULL: Plan = Plan { rounds: 12, pairs: 400 };
const QUICK: Plan = Plan { rounds: 2, pairs: 100 };

const RESOURCE: &str = "what it costs";
const TTL: Duration = Duration::from_secs(1);
/// The longest of any lock here, with what nodes are given beyond the ttl.
const LIFETIME: Duration = Duration::from_secs(2);
/// So many pairs that connections are made, scripts loaded and caches warm.
const WARM_UP: usize = 20;
