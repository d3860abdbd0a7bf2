use std::{fmt, time::Duration};

use super::{report::Report, status::Status};
use crate::{
    ConfigError, Fence, GaveUpReason, NoRuntime, RandomError, Resource, ResourceSet,
    proto::{LossReason, Verdict},
};

/// Why a lock could not be had or kept. Each variant is a different situation, not a different
/// wording: contention, outage, slowness and loss call for different reactions.
///
/// Where nodes were asked for a lock, [`report`](Self::report) has what each of them said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else holds the lock, or is taking it at the same time.
    Contended(Box<Report>),
    /// So many nodes failed that no quorum was left to ask.
    Unavailable(Box<Report>),
    /// A quorum granted, but so late that nothing of the validity was left.
    TooSlow(Box<Report>),
    /// The lock was held and is not any more.
    #[non_exhaustive]
    Lost {
        /// What was locked.
        resources: ResourceSet,
        /// Why it is lost.
        reason: LossReason,
        /// What the nodes said, if they were asked.
        report: Option<Box<Report>>,
    },
    /// The caller's patience ended first.
    #[non_exhaustive]
    TimedOut {
        /// What was to be locked.
        resources: ResourceSet,
        /// How long the caller was ready to wait.
        patience: Duration,
        /// Why the last attempt failed.
        last: Box<Self>,
    },
    /// A setting, or a pair of settings, cannot work. No node was asked, except where two of them
    /// turn out to be one server ([`ConfigError::SameServer`]), which only they can tell.
    Config(ConfigError),
    /// There is no async runtime for timers and clean-up here, or one whose timers are not enabled.
    /// No node was asked.
    NoRuntime(NoRuntime),
    /// A call of the blocking API was made inside an async runtime, one of whose threads it would
    /// have held up. No node was asked.
    InsideRuntime,
    /// A call of the blocking API was made in a child of the process that made the redlock, whose
    /// background thread a `fork` does not copy. No node was asked.
    Forked,
    /// A call of the blocking API was made by a destructor of a thread-local value, after those of
    /// tokio had gone, without which nothing can wait. No node was asked.
    ThreadEnding,
    /// The fencing token is not larger than one that was had here before: counters of nodes were
    /// lost, and their clocks set back. The lock has been given up; the resource would have
    /// refused its holder.
    #[non_exhaustive]
    FenceRegression {
        /// What was locked.
        resource: Resource,
        /// The fence that the nodes agreed on.
        fence: Fence,
        /// The fence that this process had before.
        had: Fence,
    },
    /// So many nodes failed that it cannot be told who has the lock: an end of
    /// [`is_locked`](super::Redlock::is_locked), never of an acquire.
    Undecided(Box<Status>),
    /// No token could be made. No node was asked.
    Random(RandomError),
}

impl Error {
    /// What the nodes said, if any were asked for a lock. What they said of one that was looked at
    /// is in [`Undecided`](Self::Undecided) itself.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Contended(report) | Self::Unavailable(report) | Self::TooSlow(report) => {
                Some(report)
            }
            Self::Lost { report, .. } => report.as_deref(),
            Self::TimedOut { last, .. } => last.report(),
            Self::Config(_)
            | Self::FenceRegression { .. }
            | Self::NoRuntime(_)
            | Self::InsideRuntime
            | Self::Forked
            | Self::ThreadEnding
            | Self::Undecided(_)
            | Self::Random(_) => None,
        }
    }

    /// Whether somebody else had the lock, or was taking it, when the last attempt was made: it is
    /// [`Contended`](Self::Contended), or [`TimedOut`](Self::TimedOut) because of that.
    ///
    /// What a program does where the lock is not for it, such as leaving the work to whoever has it;
    /// everything else is a failure.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.why_given_up() == GaveUpReason::Contended
    }

    /// Whether another attempt could end differently.
    pub(super) const fn is_worth_a_retry(&self) -> bool {
        matches!(self, Self::Contended(_) | Self::Unavailable(_) | Self::TooSlow(_))
    }

    /// What those who look on are told of it.
    pub(super) fn why_given_up(&self) -> GaveUpReason {
        match self {
            Self::Contended(_) => GaveUpReason::Contended,
            // No acquire ends with the second: it is what looking may come to.
            Self::Unavailable(_) | Self::Undecided(_) => GaveUpReason::Unavailable,
            Self::TooSlow(_) => GaveUpReason::TooSlow,
            Self::Lost { .. } => GaveUpReason::Lost,
            Self::TimedOut { last, .. } => last.why_given_up(),
            Self::FenceRegression { .. } => GaveUpReason::FenceRegression,
            Self::Config(_)
            | Self::NoRuntime(_)
            | Self::InsideRuntime
            | Self::Forked
            | Self::ThreadEnding
            | Self::Random(_) => GaveUpReason::Unusable,
        }
    }

    pub(super) fn from_verdict(verdict: Verdict, report: Report) -> Self {
        let report = Box::new(report);
        match verdict {
            Verdict::TooLate => Self::TooSlow(report),
            Verdict::Refused => Self::Contended(report),
            // The other two are no failures and come from no decided round.
            Verdict::Unreachable | Verdict::Open | Verdict::Carried => Self::Unavailable(report),
        }
    }

    pub(super) fn lost(
        resources: &ResourceSet,
        reason: LossReason,
        report: Option<Report>,
    ) -> Self {
        Self::Lost { resources: resources.clone(), reason, report: report.map(Box::new) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contended(report) | Self::Unavailable(report) => {
                write!(f, "could not {} {:?}: {report}", report.action(), report.resources())
            }
            Self::TooSlow(report) => {
                let (action, resources) = (report.action(), report.resources());
                write!(f, "could not {action} {resources:?}: no validity was left when ")?;
                write!(f, "the quorum was complete; {report}")
            }
            Self::Lost { resources, reason, report } => {
                write!(f, "lost {resources:?}: {reason}")?;
                report.as_ref().map_or(Ok(()), |report| write!(f, "; {report}"))
            }
            Self::TimedOut { resources, patience, last } => {
                write!(f, "gave up on {resources:?} after {patience:?}; {last}")
            }
            Self::FenceRegression { resource, fence, had } => write!(
                f,
                "the fencing token {fence} of {resource:?} is not larger than {had}, which was had \
                 before: nodes have lost their counters"
            ),
            Self::Undecided(status) => status.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::NoRuntime(error) => error.fmt(f),
            Self::InsideRuntime => f.write_str(
                "a blocking call was made inside an async runtime, which it would hold up: \
                 use the async API there, or a thread that is not part of the runtime",
            ),
            Self::Forked => f.write_str(
                "a blocking call was made in a forked process, which has no background thread: \
                 make the redlock after the fork",
            ),
            Self::ThreadEnding => f.write_str(
                "a blocking call was made by a destructor of a thread that ends, which can no \
                 longer wait: make it before, or on another thread",
            ),
            Self::Random(error) => error.fmt(f),
        }
    }
}

/// Without a source: the message has everything, and of the nodes' errors in the
/// [`report`](Error::report) none alone is the cause.
impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<NoRuntime> for Error {
    fn from(error: NoRuntime) -> Self {
        Self::NoRuntime(error)
    }
}

impl From<RandomError> for Error {
    fn from(error: RandomError) -> Self {
        Self::Random(error)
    }
}
