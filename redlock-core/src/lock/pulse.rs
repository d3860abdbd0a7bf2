use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long nodes take to answer, smoothed over the last attempts that a quorum has answered.
///
/// Pauses that keep contenders out of each other's way are measured in it; nothing that must be right
/// depends on it.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64);

impl Pulse {
    /// An attempt was decided by answers after this time.
    pub(super) fn beat(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST);
        // Two who measure at the same time may lose one of the figures.
        let before = self.0.load(Ordering::Relaxed);
        let after = if before == 0 { took } else { before - before / 8 + took / 8 };
        self.0.store(after.max(1), Ordering::Relaxed);
    }

    pub(super) fn round_trip(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::from_millis(1),
            nanos => Duration::from_nanos(nanos),
        }
    }
}

/// In nanoseconds. What takes longer is an outage, or a process that stood still, and no measure for
/// pauses.
const LONGEST: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_measured_and_forgets_a_hiccup() {
        let pulse = Pulse::default();
        assert_eq!(pulse.round_trip(), Duration::from_millis(1));
        pulse.beat(Duration::from_micros(200));
        assert_eq!(pulse.round_trip(), Duration::from_micros(200));
        pulse.beat(Duration::from_micros(1000));
        assert_eq!(pulse.round_trip(), Duration::from_micros(300));
        for _ in 0..40 {
            pulse.beat(Duration::from_micros(200));
        }
        assert!(pulse.round_trip() < Duration::from_micros(205), "{:?}", pulse.round_trip());
        pulse.beat(Duration::MAX);
        assert!(pulse.round_trip() < Duration::from_millis(13));
        pulse.beat(Duration::ZERO);
    }
}
