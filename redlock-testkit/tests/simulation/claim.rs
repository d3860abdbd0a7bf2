//! Who may believe that he holds a lock, and what he leaves behind.

use std::time::Duration;

use redlock_core::{LossSignal, Moment, Resource, Token};
use redlock_testkit::SimClient;

/// How the losses of a run were told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// How many.
    pub(crate) losses: u64,
    /// The least time that was left of the validity, among those that were in time.
    pub(crate) margin: Option<Duration>,
    /// How many times a body of `run` was polled.
    pub(crate) bodies: u64,
}

impl Told {
    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        let margin = [self.margin, other.margin].into_iter().flatten().min();
        let (losses, bodies) = (self.losses + other.losses, self.bodies + other.bodies);
        Self { losses, margin, bodies }
    }
}

/// Somebody who may believe that he holds a lock.
pub(crate) struct Claim {
    pub(crate) client: SimClient,
    pub(crate) name: usize,
    pub(crate) resource: Resource,
    pub(crate) token: Token,
    /// By what he believes so. Asking it changes nothing.
    pub(crate) signal: LossSignal,
    /// When the lock was asked for, and when this claim began, by his clock.
    pub(crate) started: Moment,
    pub(crate) began: Moment,
    pub(crate) hold_at_least: Duration,
    /// Until when it was last seen to hold, by his clock.
    pub(crate) until: Moment,
    /// Since when, in true time, it has been seen not to hold any more.
    pub(crate) over: Option<Moment>,
    pub(crate) ending: Option<Ending>,
    /// Whether somebody waits to be told of its loss.
    pub(crate) listener: Listener,
    /// The pauses of the run before it began.
    pub(crate) stalled: Duration,
}

/// What its holder has done to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    GivenUp,
    HandedOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Nobody,
    Waiting,
    Told,
}

/// A resource that nobody else may hold for a while.
pub(crate) struct Reserved {
    /// Whose it was.
    pub(crate) number: u64,
    pub(crate) name: usize,
    pub(crate) token: Token,
    pub(crate) resource: Resource,
    /// In true time.
    pub(crate) until: Moment,
    pub(crate) why: &'static str,
}

impl Claim {
    pub(crate) fn reserved(&self, number: u64, until: Moment, why: &'static str) -> Reserved {
        let (name, token, resource) = (self.name, self.token.clone(), self.resource.clone());
        Reserved { number, name, token, resource, until, why }
    }
}

impl Reserved {
    pub(crate) fn keeps_out(&self, claim: &Claim) -> bool {
        self.resource == claim.resource && self.token != claim.token
    }
}
