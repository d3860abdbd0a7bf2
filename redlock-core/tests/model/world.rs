//! Worlds: how many of what there is, and what may go wrong how often.

use redlock_core::proto::{Drift, Mutant, Timing, Ttl};

use crate::{
    properties,
    report::Walked,
    state::{Budget, Token, UNIT},
};

/// A world to be walked: how many of what, and what may go wrong how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    /// What is left of the ttl after drift, in units; drift takes one unit more.
    pub(crate) validity: u8,
    /// The same for extensions.
    pub(crate) extension: u8,
    /// How much longer nodes keep what clients trust.
    pub(crate) grace: u8,
    /// How long a lock may be held in all; zero for as long as it is extended.
    pub(crate) max_hold: u8,
    /// Whether nodes that have lost the key of an extended lock are given it again.
    pub(crate) healing: bool,
    /// The last moment.
    pub(crate) end: u8,
    /// How often each client may try.
    pub(crate) attempts: [u8; 2],
    /// How often each lock may be extended.
    pub(crate) extensions: u8,
    pub(crate) budget: Budget,
    /// Whether a call that failed may have left its request behind.
    pub(crate) strays: bool,
    pub(crate) wire: Wire,
    pub(crate) data: Data,
    /// For how long, in units, a node that has restarted gives no votes.
    pub(crate) quarantine: u8,
    /// Whether keys may stay behind after what nobody can clean up after.
    pub(crate) excuses: bool,
    pub(crate) mutant: Option<Mutant>,
}

/// In which order a node carries out what one token asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// In the order in which it was asked, as over one connection.
    Ordered,
    /// In any order, as over several.
    Unordered,
}

/// What a node still knows after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Kept,
    Lost,
}

/// Worlds made from others.
impl World {
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The first client may try so often.
    pub(crate) fn attempts(self, first: u8) -> Self {
        let attempts = [first, self.attempts[1]];
        Self { attempts, ..self }
    }

    /// Each lock may be extended so often, in a world that lasts until `end`. Validity is two
    /// units, so that there is time to extend in.
    pub(crate) fn extensions(self, extensions: u8, end: u8) -> Self {
        Self { validity: 2, extension: 2, extensions, end, ..self }
    }

    pub(crate) fn grace(self, grace: u8) -> Self {
        Self { grace, ..self }
    }

    pub(crate) fn max_hold(self, max_hold: u8) -> Self {
        Self { max_hold, ..self }
    }

    pub(crate) fn healing(self) -> Self {
        Self { healing: true, ..self }
    }

    pub(crate) fn losses(self, losses: u8) -> Self {
        let budget = Budget { losses, ..self.budget };
        Self { budget, ..self }
    }

    pub(crate) fn duplicates(self, duplicates: u8) -> Self {
        let budget = Budget { duplicates, ..self.budget };
        Self { budget, ..self }
    }

    pub(crate) fn crashes(self, crashes: u8) -> Self {
        let budget = Budget { crashes, ..self.budget };
        Self { budget, ..self }
    }

    /// One node may restart once.
    pub(crate) fn restarts(self, data: Data) -> Self {
        let budget = Budget { restarts: 1, ..self.budget };
        Self { budget, data, ..self }
    }

    /// Nodes may restart twice in all.
    pub(crate) fn restarts_twice(self, data: Data) -> Self {
        let budget = Budget { restarts: 2, ..self.budget };
        Self { budget, data, ..self }
    }

    pub(crate) fn quarantine(self, quarantine: u8) -> Self {
        Self { quarantine, ..self }
    }

    pub(crate) fn strays(self) -> Self {
        Self { strays: true, ..self }
    }

    pub(crate) fn unordered(self) -> Self {
        Self { wire: Wire::Unordered, ..self }
    }

    pub(crate) fn inexcusable(self) -> Self {
        Self { excuses: false, ..self }
    }

    pub(crate) fn anything_once(self) -> Self {
        self.losses(1).strays().duplicates(1).restarts(Data::Kept).crashes(1)
    }

    pub(crate) fn mutated(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }
}

impl World {
    pub(crate) fn ttl(&self) -> Ttl {
        Ttl::new(UNIT * u32::from(self.validity + 1)).expect("a fitting constant")
    }

    pub(crate) fn extension_ttl(&self) -> Ttl {
        Ttl::new(UNIT * u32::from(self.extension + 1)).expect("a fitting constant")
    }

    pub(crate) fn timing(&self) -> Timing {
        let drift = Drift::new(0.0, UNIT).expect("a fitting constant");
        let timing = Timing::new(drift).grace(UNIT * u32::from(self.grace));
        match self.max_hold {
            0 => timing,
            most => timing.max_hold(UNIT * u32::from(most)),
        }
    }

    /// Until when, in units, a node keeps what it is asked to keep for so much validity.
    pub(crate) fn kept(&self, now: u8, validity: u8) -> u8 {
        now + validity + self.grace
    }

    /// The token as nodes see it.
    pub(crate) fn written(&self, token: Token) -> Token {
        let attempt = if self.mutant == Some(Mutant::TokenReused) { 1 } else { token.attempt };
        Token { attempt, ..token }
    }
}

impl Walked for World {
    const MUST: &'static [&'static str] = properties::MUST;

    fn name(&self) -> &'static str {
        self.name
    }
}
