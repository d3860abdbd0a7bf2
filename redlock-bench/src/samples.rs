use std::time::Duration;

use serde::Serialize;

/// Durations of one kind, taken in several rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    rounds: Vec<Vec<Duration>>,
}

/// What is told of samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
    /// The smallest and the largest median of a round.
    pub(crate) spread: (Duration, Duration),
}

impl Samples {
    /// Adds what was measured in one round.
    pub(crate) fn round(&mut self, mut samples: Vec<Duration>) {
        if !samples.is_empty() {
            samples.sort_unstable();
            self.rounds.push(samples);
        }
    }

    /// All of them, in order.
    pub(crate) fn sorted(&self) -> Vec<Duration> {
        let mut all: Vec<_> = self.rounds.iter().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn summary(&self) -> Summary {
        let all = self.sorted();
        let medians = || self.rounds.iter().map(|round| quantile(round, 0.5));
        Summary {
            count: all.len(),
            median: quantile(&all, 0.5),
            p99: quantile(&all, 0.99),
            longest: all.last().copied().unwrap_or_default(),
            spread: (medians().min().unwrap_or_default(), medians().max().unwrap_or_default()),
        }
    }
}

/// The smallest sample that this part of all samples does not exceed; zero if there is none.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// How many times as long.
pub(crate) fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_quantile_is_a_sample() {
        let hundred: Vec<_> = (1..=100).map(|n| n * MS).collect();
        assert_eq!(quantile(&hundred, 0.5), 50 * MS);
        assert_eq!(quantile(&hundred, 0.99), 99 * MS);
        assert_eq!(quantile(&hundred[..1], 0.99), MS);
        assert_eq!(quantile(&hundred[..3], 0.5), 2 * MS);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn rounds_count_together_and_their_medians_are_the_spread() {
        let mut samples = Samples::default();
        samples.round(vec![9 * MS, MS, 2 * MS]);
        samples.round(vec![]);
        samples.round(vec![5 * MS, 4 * MS, 6 * MS]);
        let told = samples.summary();
        assert_eq!(told.count, 6);
        assert_eq!(told.median, 4 * MS);
        assert_eq!(told.longest, 9 * MS);
        assert_eq!(told.spread, (2 * MS, 5 * MS));
    }
}
