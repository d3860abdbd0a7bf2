use std::time::Duration;

use super::quest::Quest;
use crate::{
    ConfigError, Drift, Owner, Renewal, ResourceSet, Retry, Token, Ttl,
    proto::{Schedule, Timing},
};

/// What can be set, and how it belongs together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// What each lock starts from.
    pub(super) wishes: Wishes,
    pub(super) retry: Retry,
    pub(super) drift: Drift,
    pub(super) grace: Duration,
    pub(super) node_timeout: Option<Duration>,
    /// How often in a row a lock goes to the next of this process without others being told.
    pub(super) handovers: u32,
    /// The longest that nodes may keep a lock, if that was agreed on.
    pub(super) max_ttl: Option<Duration>,
}

/// What can be set for each lock by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    pub(super) ttl: Duration,
    pub(super) renewal: Renewal,
    /// A day, or the ttl if that is longer, unless it is set.
    pub(super) max_hold: Option<Duration>,
    pub(super) hold_at_least: Duration,
    /// Whether the lock is to have a fencing token.
    pub(super) fencing: bool,
}

/// What one attempt is to achieve.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) resources: ResourceSet,
    pub(super) ttl: Ttl,
    pub(super) timing: Timing,
    pub(super) node_timeout: Duration,
    /// When to renew what has been acquired; `None` for never.
    pub(super) schedule: Option<Schedule>,
    pub(super) hold_at_least: Duration,
    pub(super) fencing: bool,
    pub(super) proof: Proof,
    /// The call that makes the attempt, for those who look on.
    pub(super) quest: Quest,
}

/// Where the token of an attempt comes from.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// A new one for each, with this word on who has it.
    Fresh(Option<Owner>),
    /// The caller's, who makes one attempt with it.
    Given(Token),
}

impl Settings {
    /// How long nodes get to answer for a lock of this ttl.
    pub(super) fn node_timeout(&self, ttl: Ttl) -> Duration {
        self.node_timeout.unwrap_or_else(|| DEFAULT_NODE_TIMEOUT.min(ttl.get() / 4))
    }

    /// Checks what belongs together for one lock, before a byte is sent (R4).
    pub(super) fn terms(
        &self,
        resources: ResourceSet,
        wishes: Wishes,
    ) -> Result<Terms, ConfigError> {
        let Checked { ttl, timing, node_timeout, schedule } = self.check(wishes)?;
        let Wishes { hold_at_least, fencing, .. } = wishes;
        let (proof, quest) = (Proof::Fresh(None), Quest::default());
        Ok(Terms {
            resources,
            ttl,
            timing,
            node_timeout,
            schedule,
            hold_at_least,
            fencing,
            proof,
            quest,
        })
    }

    pub(super) fn check(&self, wishes: Wishes) -> Result<Checked, ConfigError> {
        let ttl = Ttl::new(wishes.ttl)?;
        let node_timeout = self.node_timeout(ttl);
        if node_timeout.is_zero() {
            return Err(ConfigError::ZeroNodeTimeout);
        }
        let Self { drift, grace, .. } = *self;
        if drift.validity(ttl) <= node_timeout {
            let (drift, ttl) = (drift.allowance(ttl), ttl.get());
            return Err(ConfigError::TtlWithinTimeout { ttl, drift, node_timeout });
        }
        let most = Ttl::MAX.get();
        if ttl.get().saturating_add(grace) > most {
            return Err(ConfigError::GraceTooLong { grace, ttl: ttl.get(), most });
        }
        let kept = ttl.get().saturating_add(grace);
        if let Some(max_ttl) = self.max_ttl.filter(|max_ttl| kept > *max_ttl) {
            return Err(ConfigError::TtlAboveAgreed { ttl: ttl.get(), grace, max_ttl });
        }
        let max_hold = wishes.max_hold.unwrap_or_else(|| DAY.max(ttl.get()));
        if max_hold < ttl.get() {
            return Err(ConfigError::MaxHoldBelowTtl { max_hold, ttl: ttl.get() });
        }
        let hold_at_least = wishes.hold_at_least;
        if hold_at_least > ttl.get() {
            return Err(ConfigError::MinHoldAboveTtl { hold_at_least, ttl: ttl.get() });
        }
        let timing = Timing::new(drift).grace(grace).max_hold(max_hold);
        let schedule = wishes.renewal.schedule(ttl, timing, node_timeout)?;
        Ok(Checked { ttl, timing, node_timeout, schedule })
    }
}

/// Settings that have been found to belong together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    pub(super) ttl: Ttl,
    pub(super) timing: Timing,
    pub(super) node_timeout: Duration,
    pub(super) schedule: Option<Schedule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wishes: Wishes {
                ttl: Duration::from_secs(10),
                renewal: Renewal::default(),
                max_hold: None,
                hold_at_least: Duration::ZERO,
                fencing: false,
            },
            retry: Retry::default(),
            drift: Drift::default(),
            grace: Duration::ZERO,
            node_timeout: None,
            handovers: DEFAULT_HANDOVERS,
            max_ttl: None,
        }
    }
}

const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_millis(100);

/// Enough that those who wait elsewhere cost little, and few enough that they wait little longer.
const DEFAULT_HANDOVERS: u32 = 4;

/// Long for any job, and an end for a guard that has been forgotten (R35).
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
