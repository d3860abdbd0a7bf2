use std::{fmt, time::Duration};

/// What a node may be able to do besides: tell what it has noticed of its store that bears on
/// whether its votes can be relied on.
///
/// Found through [`LockNode::witness`](super::LockNode::witness). Asked after each answer, so it must
/// be cheap: what is known already, not a request.
pub trait Witness: fmt::Debug + Send + Sync {
    /// How far back the store remembers, if that is no further than to its last start: for so long
    /// at least it has been running.
    ///
    /// `None` if it loses nothing that it was told when it restarts, or if that is not known, or if
    /// nobody need care, because the node [does not vote](crate::proto::RestartPolicy) before
    /// everything that it may have forgotten is over.
    fn remembers(&self) -> Option<Duration>;

    /// How the clock that lifetimes are counted by has been set, in order, as far as that is known;
    /// without those numbered up to `heard`, which may be all.
    ///
    /// An answer that shows a step is returned when the step is in here already. One that is
    /// within what clocks may differ in their rates is none: no false alarm.
    fn clock_steps(&self, heard: u64) -> Vec<ClockStep>;
}

/// The clock of a store has been set (requirement R38): all that it keeps ends earlier by as much,
/// or later.
///
/// Or it runs faster or slower than a lock allows for. Or it did neither, and the machine of this
/// process stood still without its clocks' telling so; then all stores have made the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockStep {
    number: u64,
    direction: StepDirection,
    at_least: Duration,
    at_most: Duration,
}

/// Which way a clock was set. There is no third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepDirection {
    /// Ahead: locks end before their time.
    Forward,
    /// Locks last longer.
    Back,
}

impl ClockStep {
    /// The step of this number, counted from 1, which was at least and at most so far: clocks are
    /// read through messages that take time.
    #[must_use]
    pub const fn new(
        number: u64,
        direction: StepDirection,
        at_least: Duration,
        at_most: Duration,
    ) -> Self {
        Self { number, direction, at_least, at_most }
    }

    /// How many there had been with this one.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Which way.
    #[must_use]
    pub const fn direction(&self) -> StepDirection {
        self.direction
    }

    /// How far at least.
    #[must_use]
    pub const fn at_least(&self) -> Duration {
        self.at_least
    }

    /// How far at most.
    #[must_use]
    pub const fn at_most(&self) -> Duration {
        self.at_most
    }
}

impl fmt::Display for ClockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            StepDirection::Forward => "forward",
            StepDirection::Back => "back",
        };
        // Nobody needs the microseconds of something that is not known that well.
        let whole = |span: Duration| Duration::from_millis(span.as_millis() as u64);
        write!(f, "{direction} by at least {:?}", whole(self.at_least))
    }
}
