//! From a release in one process to the acquire of another that waits for it.
//!
//! Two processes take turns: one holds, the other waits; the holder releases, and is the next to
//! wait. Beside it, in the same rounds, uncontended pairs of acquire and release of the same two
//! processes.

use std::{mem, num::NonZeroUsize, thread, time::Duration};

use serde::Serialize;

use crate::{
    Failure, Settings,
    client::Kind,
    machine::Machine,
    report::{Report, Table, millis, times},
    samples::{Samples, Summary, ratio},
    topology::Topology,
    worker::{Order, Worker},
};

pub(crate) fn measure(settings: Settings) -> Result<Report, Failure> {
    let plan = if settings.quick { QUICK } else { FULL };
    let topologies = Topology::start_all()?;
    let machine = Machine::look(&topologies[0].servers[0])?;
    let mut lanes = Vec::new();
    for topology in &topologies {
        for &kind in Kind::LIBRARIES.iter().chain(&[Kind::Listening]) {
            lanes.push(Lane::start(kind, topology, settings.threads)?);
        }
    }
    for round in 0..plan.rounds {
        for lane in &mut lanes {
            lane.round(&plan, round)?;
        }
    }
    tell(&lanes, Report::new("Hand-off between processes", settings, machine))
}

/// How much is measured.
struct Plan {
    rounds: usize,
    pairs: usize,
    /// In each round, of a client that hears of releases, and of one that looks from time to time.
    handoffs: usize,
    polled: usize,
}

/// Two processes with one client each, and what they have measured.
struct Lane {
    kind: Kind,
    topology: String,
    holder: Worker,
    waiter: Worker,
    handoffs: Samples,
    pairs: Samples,
    /// Pairs that begin after a pause, as a hand-off does.
    rested: Samples,
}

impl Lane {
    fn start(kind: Kind, topology: &Topology, threads: NonZeroUsize) -> Result<Self, Failure> {
        Ok(Self {
            kind,
            topology: topology.name(),
            holder: Worker::start(kind, &topology.urls, threads)?,
            waiter: Worker::start(kind, &topology.urls, threads)?,
            handoffs: Samples::default(),
            pairs: Samples::default(),
            rested: Samples::default(),
        })
    }

    fn round(&mut self, plan: &Plan, round: usize) -> Result<(), Failure> {
        let pairs = self.uncontended(plan.pairs, Duration::ZERO)?;
        self.pairs.round(pairs);
        let rested = self.uncontended(plan.pairs / 5, SETTLE)?;
        self.rested.round(rested);

        let (count, phases) = match self.kind.is_told() {
            true => (plan.handoffs, PHASES),
            false => (plan.polled, POLLED_PHASES),
        };
        self.holder.tell(&acquire())?;
        self.holder.instant()?;
        let mut handoffs = Vec::with_capacity(count);
        for turn in 0..count {
            self.waiter.tell(&acquire())?;
            // By then it waits. Spread evenly, so that no release is always as far from the
            // waiter's next look.
            thread::sleep(SETTLE + phases.mul_f64(spread(round * count + turn)));
            self.holder.tell(&Order::Release)?;
            let released = self.holder.instant()?;
            handoffs.push(self.waiter.instant()?.since(released));
            mem::swap(&mut self.holder, &mut self.waiter);
        }
        self.holder.tell(&Order::Release)?;
        self.holder.instant()?;
        self.handoffs.round(handoffs);
        Ok(())
    }

    fn uncontended(&mut self, count: usize, pause: Duration) -> Result<Vec<Duration>, Failure> {
        self.waiter.tell(&Order::Pairs { resource: "uncontended".into(), count, pause })?;
        self.waiter.pairs()
    }
}

fn acquire() -> Order {
    Order::Acquire { resource: "handed on".into() }
}

/// Numbers from 0 to 1, the first so many of them always spread evenly.
fn spread(index: usize) -> f64 {
    (index as f64 * 0.618_033_988_749_895).fract()
}

#[derive(Serialize)]
struct Figures<'a> {
    kind: Kind,
    topology: &'a str,
    pair: Summary,
    rested_pair: Summary,
    handoff: Summary,
}

fn tell(lanes: &[Lane], mut report: Report) -> Result<Report, Failure> {
    let mut table = Table::new(
        "Release called → acquire returned elsewhere, in milliseconds",
        [
            "",
            "hand-offs",
            "median",
            "of rounds",
            "p99",
            "longest",
            "pair: median",
            "of rounds",
            "p99",
            "pair after a pause: median",
            "hand-off ÷ by hand",
            "median ÷ pair's median",
            "p99 ÷ pair's median",
            "p99 ÷ pair's p99",
            "median ÷ pair's after a pause",
            "p99 ÷ pair's median after a pause",
        ],
    );
    for lane in lanes {
        let (handoff, pair, rested) =
            (lane.handoffs.summary(), lane.pairs.summary(), lane.rested.summary());
        let name = format!("{}, {}", lane.topology, lane.kind.name());
        let spread = |of: Summary| format!("{} – {}", millis(of.spread.0), millis(of.spread.1));
        let median = ratio(handoff.median, pair.median);
        let p99 = ratio(handoff.p99, pair.median);
        let (rested_median, rested_p99) =
            (ratio(handoff.median, rested.median), ratio(handoff.p99, rested.median));
        let by_hand = lanes
            .iter()
            .find(|other| other.kind == Kind::Listening && other.topology == lane.topology)
            .map(|raw| times(ratio(handoff.median, raw.handoffs.summary().median)));
        table.row([
            name.clone(),
            handoff.count.to_string(),
            millis(handoff.median),
            spread(handoff),
            millis(handoff.p99),
            millis(handoff.longest),
            millis(pair.median),
            spread(pair),
            millis(pair.p99),
            millis(rested.median),
            by_hand.unwrap_or_default(),
            times(median),
            times(p99),
            times(ratio(handoff.p99, pair.p99)),
            times(rested_median),
            times(rested_p99),
        ]);
        if lane.kind.is_ours() {
            report.goal(format!("{name}: median in pairs"), 3.0, median);
            report.goal(format!("{name}: p99 in pairs"), 10.0, p99);
            let like = "pairs that begin after a pause, as it does";
            report.goal(format!("{name}: median in {like}"), 3.0, rested_median);
            report.goal(format!("{name}: p99 in {like}"), 10.0, rested_p99);
        }
        report.figures(&Figures {
            kind: lane.kind,
            topology: &lane.topology,
            pair,
            rested_pair: rested,
            handoff,
        })?;
    }
    report.table(table);
    Ok(report)
}

const FULL: Plan = Plan { rounds: 16, pairs: 100, handoffs: 50, polled: 5 };
const QUICK: Plan = Plan { rounds: 2, pairs: 50, handoffs: 10, polled: 2 };

/// So long after its start an acquire has subscribed, tried, and waits.
const SETTLE: Duration = Duration::from_millis(5);
const PHASES: Duration = Duration::from_millis(10);
const POLLED_PHASES: Duration = Duration::from_millis(200);
