use std::time::Duration;

use super::{ConfigError, Moment, Timing, Ttl};

/// Whether a held lock is extended by itself, and how often.
///
/// By default it is, every third of its ttl, so that two renewals may fail before the lock is in
/// danger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Renewal(Every);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Every {
    #[default]
    Third,
    Interval(Duration),
    Never,
}

impl Renewal {
    /// The lock ends with its validity unless its holder extends it.
    #[must_use]
    pub const fn off() -> Self {
        Self(Every::Never)
    }

    /// So often. Nodes that do not answer must leave time for it before validity ends, which is
    /// checked where the ttl is known.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self(Every::Interval(interval))
    }

    /// When locks of this ttl are renewed; `None` if they are not.
    ///
    /// # Errors
    ///
    /// [`ConfigError::RenewalTooRare`] if the first renewal could come too late, and
    /// [`ConfigError::ZeroRenewal`] for an interval of nothing.
    pub fn schedule(
        self,
        ttl: Ttl,
        timing: Timing,
        node_timeout: Duration,
    ) -> Result<Option<Schedule>, ConfigError> {
        let validity = timing.validity(ttl);
        let spare = validity.saturating_sub(node_timeout);
        let interval = match self.0 {
            Every::Never => return Ok(None),
            // A node timeout that is nearly all of the validity leaves less than a third.
            Every::Third => share(ttl.get(), 3).min(share(spare, 2)).max(NANOSECOND),
            Every::Interval(interval) if interval.is_zero() => {
                return Err(ConfigError::ZeroRenewal);
            }
            Every::Interval(interval) if interval >= spare => {
                return Err(ConfigError::RenewalTooRare { interval, node_timeout, validity });
            }
            Every::Interval(interval) => interval,
        };
        Ok(Some(Schedule { interval }))
    }
}

/// When to renew one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    interval: Duration,
}

impl Schedule {
    /// When to renew a lock whose last extension, or first request, was sent at `sent`.
    ///
    /// Up to a tenth earlier than the interval says, by `chance`, a random number: locks that were
    /// taken at the same moment do not stay in step.
    #[must_use]
    pub fn next(self, sent: Moment, chance: u32) -> Moment {
        sent.after(self.interval).before(part(share(self.interval, 10), chance))
    }

    /// When to try again after a renewal that came to nothing at `now`: between half a pause and a
    /// whole one, by `chance`, where a pause is a tenth of the interval, but no less than a
    /// millisecond and no more than a second.
    ///
    /// While nodes are down their refusals come at once: this is what keeps the holders of many
    /// locks from storming them.
    #[must_use]
    pub fn again(self, now: Moment, chance: u32) -> Moment {
        let pause = share(self.interval, 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        now.after(pause).before(part(share(pause, 2), chance))
    }
}

fn share(whole: Duration, parts: u32) -> Duration {
    whole.checked_div(parts).unwrap_or_default()
}

/// The part of `whole` that `chance` is of all that it can be.
fn part(whole: Duration, chance: u32) -> Duration {
    let nanos = whole.as_nanos().saturating_mul(chance.into()) >> u32::BITS;
    // Less than the whole, which was a duration.
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const NANOSECOND: Duration = Duration::from_nanos(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Drift;

    const NODE_TIMEOUT: Duration = Duration::from_millis(100);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn schedule(renewal: Renewal, node_timeout: Duration) -> Result<Option<Schedule>, ConfigError> {
        let ttl = Ttl::new(ms(3000)).unwrap();
        renewal.schedule(ttl, Drift::default().into(), node_timeout)
    }

    #[test]
    fn by_default_it_is_a_third_of_the_ttl_or_what_slow_nodes_leave() {
        let third = schedule(Renewal::default(), NODE_TIMEOUT).unwrap().unwrap();
        assert_eq!(third.interval, ms(1000));
        // Validity is 2968 ms.
        let squeezed = schedule(Renewal::default(), ms(2868)).unwrap().unwrap();
        assert_eq!(squeezed.interval, ms(50));
        assert_eq!(schedule(Renewal::off(), NODE_TIMEOUT), Ok(None));
    }

    #[test]
    fn a_renewal_that_could_come_too_late_is_refused_with_all_that_makes_it_so() {
        assert!(schedule(Renewal::every(ms(2867)), NODE_TIMEOUT).is_ok());
        let error = schedule(Renewal::every(ms(2868)), NODE_TIMEOUT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a renewal every 2.868s with a node timeout of 100ms is not within the validity 2.968s"
        );
        let zero = schedule(Renewal::every(Duration::ZERO), NODE_TIMEOUT);
        assert_eq!(zero, Err(ConfigError::ZeroRenewal));
    }

    #[test]
    fn chance_moves_a_renewal_by_a_tenth_and_a_new_try_by_a_half() {
        let schedule = Schedule { interval: ms(1000) };
        let start = Moment::at(ms(5000));
        assert_eq!(schedule.next(start, 0), start.after(ms(1000)));
        let early = schedule.next(start, u32::MAX);
        assert!(early >= start.after(ms(900)) && early < start.after(ms(901)));
        assert_eq!(schedule.again(start, 0), start.after(ms(100)));
        assert_eq!(schedule.again(start, 1 << 31), start.after(ms(75)));
        for (interval, pause) in [(ms(1), ms(1)), (ms(3_600_000), ms(1000))] {
            assert_eq!(Schedule { interval }.again(start, 0), start.after(pause));
        }
    }
}
