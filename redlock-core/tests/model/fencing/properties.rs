//! What must hold of fences in every world, and what must be possible in some.

use stateright::Property;

use crate::fencing::{
    state::{Had, State},
    world::World,
};

pub(crate) const UNIQUE: &str = "no two locks have the same fence";
pub(crate) const GROWS: &str = "a lock that was begun after another was had has a larger fence";
pub(crate) const KEPT: &str = "counters never decrease";

/// What must hold.
pub(crate) const MUST: &[&str] = &[UNIQUE, GROWS, KEPT];

pub(crate) const HAD: &str = "a fence is had";
pub(crate) const IN_TURN: &str = "a fence is had after another";
pub(crate) const SECOND: &str = "a fence is had by a second round";
pub(crate) const TOGETHER: &str = "both of two attempts at once have a fence";

pub(crate) fn all() -> Vec<Property<World>> {
    vec![
        Property::always(UNIQUE, |_, state: &State| {
            let same = |had: &Had| state.had().filter(|other| other.fence == had.fence).count();
            state.had().all(|had| same(had) == 1)
        }),
        Property::always(GROWS, |_, state: &State| state.had().all(|had| had.fence > had.before)),
        Property::always(KEPT, |_, state: &State| !state.has_decreased),
        Property::sometimes(HAD, |_, state: &State| state.had().next().is_some()),
        Property::sometimes(IN_TURN, |_, state: &State| state.had().any(|had| had.before > 0)),
        Property::sometimes(SECOND, |_, state: &State| state.had().any(|had| had.second)),
        Property::sometimes(TOGETHER, |_, state: &State| {
            state.had().filter(|had| had.before == 0).count() > 1
        }),
    ]
}
