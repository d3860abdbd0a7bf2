//! What a node refuses because locks may have been forgotten.

use std::time::Duration;

use redlock_core::{Drift, RestartPolicy};

use super::unable::Unable;
use crate::{clock::ServerTime, command::Command};

/// Keeps a node that has been restarted from voting for a while.
#[derive(Debug, Default)]
pub(super) struct Gate {
    policy: RestartPolicy,
    /// When it was last started again, by its own clock.
    restarted: Option<ServerTime>,
}

impl Gate {
    pub(super) const fn set(&mut self, policy: RestartPolicy) {
        self.policy = policy;
    }

    /// Whether a restart keeps it from voting.
    pub(super) fn is_on(&self) -> bool {
        self.policy != RestartPolicy::Trust
    }

    pub(super) const fn restarted(&mut self, now: ServerTime) {
        self.restarted = Some(now);
    }

    /// Whether this may be carried out.
    pub(super) fn admit(&self, command: &Command, now: ServerTime) -> Result<(), Unable> {
        let (ttl, takes) = match command {
            Command::Acquire(_, _, ttl)
            | Command::AcquireCounted(_, _, ttl, _)
            | Command::AcquireAll(_, _, ttl) => (*ttl, true),
            Command::Extend(_, _, ttl) | Command::ExtendAll(_, _, ttl) => (*ttl, false),
            _ => return Ok(()),
        };
        // What lasts longer than the quarantine could outlive it.
        if let Some(most) = self.policy.max_ttl().filter(|most| ttl > *most) {
            return Err(Unable::TooLong { given: ttl, most });
        }
        let remaining = self.remaining(now);
        if takes && !remaining.is_zero() {
            return Err(Unable::Quarantined(remaining));
        }
        Ok(())
    }

    fn remaining(&self, now: ServerTime) -> Duration {
        let Some(restarted) = self.restarted else { return Duration::ZERO };
        let lasts = self.policy.quarantine(Drift::default());
        let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        let end = restarted.nanos().saturating_add(lasts);
        Duration::from_nanos(end.saturating_sub(now.nanos()))
    }
}
