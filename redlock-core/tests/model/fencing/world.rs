//! Worlds: how many of what there is, and what may go wrong.

use redlock_core::proto::Mutant;

use crate::{fencing::properties, report::Walked};

/// A world to be walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    /// What the counter of each node shows at first.
    pub(crate) counters: &'static [u8],
    /// How far nodes can count: what would take a counter further does not happen.
    pub(crate) most: u8,
    /// How often each client may try.
    pub(crate) attempts: [u8; 2],
    pub(crate) wire: Wire,
    /// How many counters may be lost.
    pub(crate) amnesia: u8,
    pub(crate) mutant: Option<Mutant>,
}

/// How often a node carries out what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Once, or never.
    Once,
    /// As often as may be, and long after everybody has gone.
    Repeating,
}

/// Three nodes that have counted alike, or not at all.
pub(crate) const LEVEL: World = World {
    name: "3 level counters",
    counters: &[0, 0, 0],
    most: u8::MAX,
    attempts: [1, 1],
    wire: Wire::Once,
    amnesia: 0,
    mutant: None,
};

impl World {
    pub(crate) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) const fn counters(self, counters: &'static [u8]) -> Self {
        Self { counters, ..self }
    }

    pub(crate) fn attempts(self, attempts: [u8; 2]) -> Self {
        Self { attempts, ..self }
    }

    /// Requests are carried out again and again, while no counter goes beyond this.
    pub(crate) const fn repeating(self, most: u8) -> Self {
        Self { wire: Wire::Repeating, most, ..self }
    }

    pub(crate) fn mutated(self, mutant: Mutant) -> Self {
        let amnesia = u8::from(mutant == Mutant::CounterLost);
        Self { amnesia, mutant: Some(mutant), ..self }
    }
}

impl Walked for World {
    const MUST: &'static [&'static str] = properties::MUST;

    fn name(&self) -> &'static str {
        self.name
    }
}
