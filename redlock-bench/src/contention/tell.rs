//! From what was seen to tables.

use std::time::Duration;

use serde::Serialize;

use super::{contest::Entry, fairness::Fairness};
use crate::{
    Failure,
    client::Kind,
    commands::Counts,
    report::{Report, Table, millis, percent, times},
};

pub(super) fn tell(entries: &[Entry<'_>], mut report: Report) -> Result<Report, Failure> {
    let mut cost = Table::new(
        "32 waiters in 8 processes for one resource, held for 1 ms: commands and acquisitions",
        [
            "",
            "acquisitions",
            "commands per server and acquisition",
            "of rounds",
            "of an uncontended pair",
            "ratio",
            "acquisitions per second",
            "cap by the hold",
            "part of the time held",
        ],
    );
    let mut order = Table::new(
        "The same: who gets it, waits in milliseconds",
        [
            "",
            "median wait",
            "p99",
            "longest",
            "still waiting at the end",
            "least share of a process",
            "largest",
            "back to the same process",
        ],
    );
    let mut histogram = Table::new("The same: waits, part of all", BUCKET_NAMES);
    for entry in entries {
        let name = format!("{}, {}", entry.topology.name(), entry.kind.name());
        let rounds = &entry.rounds;
        let middle = |figure: fn(&Fairness) -> f64| median(rounds.iter().map(figure));
        let commands = median(entry.per_acquisition.iter().copied());
        let low = entry.per_acquisition.iter().copied().fold(f64::INFINITY, f64::min);
        let high = entry.per_acquisition.iter().copied().fold(0.0, f64::max);
        let ratio = commands / entry.per_pair;
        cost.row([
            name.clone(),
            rounds.iter().map(Fairness::acquisitions).sum::<usize>().to_string(),
            format!("{commands:.2}"),
            format!("{low:.2} – {high:.2}"),
            format!("{:.2}", entry.per_pair),
            times(ratio),
            format!("{:.0}", middle(Fairness::per_second)),
            format!("{:.0}", middle(Fairness::cap)),
            percent(middle(Fairness::used)),
        ]);
        let longest = rounds.iter().map(|round| round.wait(1.0)).max().unwrap_or_default();
        order.row([
            name.clone(),
            millis(Duration::from_secs_f64(middle(|round| round.wait(0.5).as_secs_f64()))),
            millis(Duration::from_secs_f64(middle(|round| round.wait(0.99).as_secs_f64()))),
            millis(longest),
            rounds.iter().map(|round| round.unserved).sum::<usize>().to_string(),
            times(middle(|round| round.shares().0)),
            times(middle(|round| round.shares().1)),
            percent(middle(Fairness::back)),
        ]);
        histogram.row([name.clone()].into_iter().chain(buckets(rounds).map(percent)));

        if entry.kind.is_ours() {
            report.goal(format!("{name}: commands in pairs"), 3.0, ratio);
        }
        let overlaps: usize = rounds.iter().map(|round| round.overlaps).sum();
        if overlaps > 0 {
            report.fault(format!("{name}: two processes held the lock at one time, {overlaps} ×"));
        }
        report.figures(&Figures {
            kind: entry.kind,
            topology: entry.topology.name(),
            per_pair: entry.per_pair,
            per_acquisition: &entry.per_acquisition,
            commands: &entry.counts,
            rounds,
        })?;
    }
    report.table(cost);
    report.table(order);
    report.table(histogram);
    Ok(report)
}

#[derive(Serialize)]
struct Figures<'a> {
    kind: Kind,
    topology: String,
    per_pair: f64,
    per_acquisition: &'a [f64],
    /// By name, those that scripts call included.
    commands: &'a [Counts],
    rounds: &'a [Fairness],
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get((figures.len().max(1) - 1) / 2).copied().unwrap_or_default()
}

/// Which part of all waits is shorter than each limit and not than the one before.
fn buckets(rounds: &[Fairness]) -> impl Iterator<Item = f64> {
    let waits: Vec<Duration> = rounds.iter().flat_map(|round| &round.waits).copied().collect();
    let below = move |limit: u64| {
        let limit = Duration::from_millis(limit);
        waits.iter().filter(|wait| **wait < limit).count() as f64 / waits.len().max(1) as f64
    };
    let mut before = 0.0;
    BUCKETS.into_iter().map(move |limit| {
        let all = below(limit);
        all - std::mem::replace(&mut before, all)
    })
}

const BUCKETS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 1000, u64::MAX];
const BUCKET_NAMES: [&str; 11] =
    ["", "< 1 ms", "< 2", "< 5", "< 10", "< 20", "< 50", "< 100", "< 200", "< 1000", "longer"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_histogram_make_a_whole() {
        let waits = [0, 1, 1, 3, 150, 5000].map(Duration::from_millis).to_vec();
        let round = Fairness {
            waits,
            unserved: 0,
            by_process: vec![6],
            back: 0,
            held: Duration::ZERO,
            overlaps: 0,
            length: Duration::ZERO,
        };
        let sixths: Vec<_> = buckets(&[round]).map(|part| (part * 6.0).round() as u32).collect();
        assert_eq!(sixths, [1, 2, 1, 0, 0, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn the_median_is_one_of_the_figures() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([2.0, 1.0].into_iter()), 1.0);
        assert_eq!(median([].into_iter()), 0.0);
    }
}
