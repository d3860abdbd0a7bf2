//! One figure of each round: [`Series`].

use serde::Serialize;

/// A figure that every round yields once, e.g. its median, in the order of the rounds.
///
/// Of two series of the same rounds the ratio is taken round by round: so what disturbs a round
/// disturbs both figures, and not their ratio.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The figure in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Where the middle half of all figures begins and ends.
    pub(crate) fn spread(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// How many times the other's figure of the same round each is.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(figure, other)| figure / other).collect())
    }

    /// The smallest figure that this part of all figures does not exceed; not a number if there
    /// are none.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut figures = self.0.clone();
        figures.sort_unstable_by(f64::total_cmp);
        let rank = (part * figures.len() as f64).ceil() as usize;
        figures.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// The part of all rounds that counts as quiet: a neighbour takes time away and never gives any.
pub(crate) const QUIET: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn series(figures: &[f64]) -> Series {
        Series(figures.to_vec())
    }

    #[test]
    fn the_order_of_rounds_does_not_matter_to_quantiles() {
        let figures = series(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(figures.median(), 3.0);
        assert_eq!(figures.spread(), (2.0, 4.0));
        assert_eq!(figures.quantile(QUIET), 1.0);
        assert_eq!(figures.quantile(1.0), 5.0);
        assert!(series(&[]).median().is_nan());
    }

    #[test]
    fn a_disturbed_round_leaves_the_ratio_as_it_is() {
        let (ours, raw) = (series(&[2.0, 20.0, 2.2]), series(&[1.0, 10.0, 1.0]));
        assert_eq!(ours.over(&raw).median(), 2.0);
        assert_eq!(ours.over(&raw).quantile(1.0), 2.2);
    }
}
