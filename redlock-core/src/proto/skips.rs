use std::time::Duration;

use super::{Moment, Timing, Ttl};

/// How the clock of a node was set forward of late (requirement R38).
///
/// What the node kept then ended earlier by as much. If that is more than a lock allows for, the
/// node may have given away what others still hold, and its votes are not to be counted until that
/// has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Skips(Vec<Skip>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Skip {
    by: Duration,
    found: Moment,
}

impl Skips {
    /// It was set forward by as much, as was found at `now`.
    pub fn note(&mut self, by: Duration, now: Moment) {
        if self.0.len() >= MOST {
            // Together they count for as long as the later of them.
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.by = next.by.saturating_add(oldest.by);
            }
        }
        self.0.push(Skip { by, found: now });
    }

    /// For how much longer the node is not to be counted for a lock of this ttl: `None` if what its
    /// clock has gained is within what such a lock allows for, or everything from before has ended.
    ///
    /// Others are taken to hold locks of no longer ttl than this one.
    #[must_use]
    pub fn doubt(&self, timing: Timing, ttl: Ttl, now: Moment) -> Option<Duration> {
        let kept = timing.kept(ttl);
        let recent = self.0.iter().filter(|skip| skip.found.after(kept) > now);
        let gained =
            recent.clone().map(|skip| skip.by).fold(Duration::ZERO, Duration::saturating_add);
        if gained <= timing.slack(ttl) {
            return None;
        }
        recent.map(|skip| skip.found.after(kept).since(now)).max()
    }
}

/// More than there are within a lock's life, unless a clock is being put right all the time.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drift;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    /// Ten seconds, of which clocks may take 102 ms; kept for 10.102 s without grace.
    fn ten() -> Ttl {
        Ttl::new(10 * SECOND).unwrap()
    }

    fn timing() -> Timing {
        Timing::new(Drift::default())
    }

    #[test]
    fn a_node_is_in_doubt_until_everything_from_before_has_ended() {
        let mut skips = Skips::default();
        assert_eq!(skips.doubt(timing(), ten(), at(0)), None);
        skips.note(SECOND, at(1_000));
        assert_eq!(skips.doubt(timing(), ten(), at(1_000)), Some(10_102 * MS));
        assert_eq!(skips.doubt(timing(), ten(), at(11_101)), Some(MS));
        assert_eq!(skips.doubt(timing(), ten(), at(11_102)), None);
        let minute = Ttl::new(60 * SECOND).unwrap();
        assert!(skips.doubt(timing(), minute, at(11_102)).is_some());
    }

    #[test]
    fn what_the_drift_allowance_and_the_grace_cover_is_no_reason_for_doubt() {
        let mut skips = Skips::default();
        skips.note(102 * MS, at(0));
        assert_eq!(skips.doubt(timing(), ten(), at(0)), None);
        skips.note(MS, at(0));
        assert!(skips.doubt(timing(), ten(), at(0)).is_some());
        // With the grace the node keeps a lock longer, and so clocks may take more of it.
        let graceful = timing().grace(5 * SECOND);
        assert_eq!(skips.doubt(graceful, ten(), at(0)), None);
        skips.note(4_999 * MS, at(0));
        assert_eq!(skips.doubt(graceful, ten(), at(0)), None);
        skips.note(MS, at(0));
        assert_eq!(skips.doubt(graceful, ten(), at(0)), Some(15_152 * MS));
    }

    #[test]
    fn small_ones_add_up_while_they_matter() {
        let mut skips = Skips::default();
        skips.note(60 * MS, at(0));
        skips.note(60 * MS, at(5_000));
        assert_eq!(skips.doubt(timing(), ten(), at(5_000)), Some(10_102 * MS));
        assert_eq!(skips.doubt(timing(), ten(), at(10_102)), None, "the first is over");
    }

    #[test]
    fn however_many_there_are_none_is_left_out() {
        let mut skips = Skips::default();
        for n in 0..1_000 {
            skips.note(10 * MS, at(n));
        }
        let generous = |millis| timing().grace(Duration::from_millis(millis));
        assert!(skips.doubt(generous(9_800), ten(), at(1_000)).is_some());
        assert_eq!(skips.doubt(generous(9_900), ten(), at(1_000)), None);
        assert_eq!(skips.0.len(), MOST);
        skips.note(Duration::MAX, at(1_000));
        assert!(skips.doubt(generous(9_900), ten(), at(1_000)).is_some());
    }
}
