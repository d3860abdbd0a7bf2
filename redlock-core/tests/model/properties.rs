//! What must hold in every world, and what must be possible in some.

use redlock_core::Moment;
use stateright::Property;

use crate::{
    state::{Answer, Budget, Call, Fault, Op, Phase, Stage, State, UNIT, at},
    world::World,
};

pub(crate) const EXCLUSION: &str = "no two clients hold the lock at once";
pub(crate) const COVERED: &str = "a quorum keeps the key for as long as the lock is valid";
pub(crate) const ENDED: &str = "a lock that has ended is not valid";
pub(crate) const NO_ORPHAN: &str = "no key is left behind";
pub(crate) const IN_TIME: &str = "a lock is valid when it is granted";
pub(crate) const LONGER: &str = "an extension never shortens";
pub(crate) const ONCE: &str = "a lock that was not valid is never valid again";
pub(crate) const HEEDED: &str = "a definite loss is declared at once";

pub(crate) const TOLD: &str = "a lock whose time is over is lost to whoever looks at the clock";
pub(crate) const QUIET: &str = "no node is asked to extend what is over";
pub(crate) const COUNTED: &str = "an extension counts only nodes that have the key";
pub(crate) const BOUNDED: &str = "a lock is not held for longer than it may be in all";

/// What must hold.
pub(crate) const MUST: &[&str] = &[
    EXCLUSION, COVERED, ENDED, NO_ORPHAN, IN_TIME, LONGER, ONCE, HEEDED, TOLD, QUIET, COUNTED,
    BOUNDED,
];

pub(crate) const HELD: &str = "the lock is held";
pub(crate) const IN_TURN: &str = "it is held by the second client after the first";
pub(crate) const EXTENDED: &str = "it is extended";
pub(crate) const RETRIED: &str = "it is held by the second attempt";
pub(crate) const JOINED: &str = "it is joined by a late vote";
pub(crate) const HEALED: &str = "a node that had lost its key has it again";

/// What must hold, in the order above, and what must be possible, so that the former is not idle.
pub(crate) fn all() -> Vec<Property<World>> {
    vec![
        Property::always(EXCLUSION, |_, state: &State| {
            state.valid(0).is_none() || state.valid(1).is_none()
        }),
        Property::always(COVERED, |world: &World, state: &State| {
            (0..2).all(|i| is_covered(world, state, i))
        }),
        Property::always(ENDED, |_, state: &State| {
            !state.ended().any(|lock| lock.is_valid(at(state.now)))
        }),
        Property::always(NO_ORPHAN, |world: &World, state: &State| {
            !state.is_quiet()
                || is_excused(world, state.left)
                || state.nodes.iter().all(Option::is_none)
        }),
        Property::always(IN_TIME, |_, state: &State| state.fault != Some(Fault::GrantedTooLate)),
        Property::always(LONGER, |_, state: &State| state.fault != Some(Fault::Shortened)),
        Property::always(ONCE, |_, state: &State| state.fault != Some(Fault::Revived)),
        Property::always(HEEDED, |_, state: &State| state.fault != Some(Fault::LossIgnored)),
        Property::always(TOLD, |_, state: &State| state.fault != Some(Fault::EndUntold)),
        Property::always(QUIET, |_, state: &State| state.fault != Some(Fault::ExtendedAfterEnd)),
        Property::always(COUNTED, |_, state: &State| state.fault != Some(Fault::AbsentCounted)),
        // The first client starts at zero.
        Property::always(BOUNDED, |world: &World, state: &State| {
            let lock = state.valid(0).filter(|_| state.clients[0].attempts == 1);
            world.max_hold == 0 || lock.is_none_or(|lock| lock.until() <= at(world.max_hold))
        }),
        Property::sometimes(HELD, |_, state: &State| state.valid(0).is_some()),
        Property::sometimes(IN_TURN, |_, state: &State| {
            let first = matches!(state.clients[0].phase, Phase::Holding { .. });
            first && state.valid(0).is_none() && state.valid(1).is_some()
        }),
        // The first client starts at zero.
        Property::sometimes(EXTENDED, |world: &World, state: &State| {
            let lock = state.valid(0).filter(|_| state.clients[0].attempts == 1);
            lock.is_some_and(|lock| lock.until() > at(world.validity))
        }),
        Property::sometimes(RETRIED, |_, state: &State| {
            state.clients[0].attempts == 2 && state.valid(0).is_some()
        }),
        Property::sometimes(JOINED, |world: &World, state: &State| {
            let lock = state.valid(0);
            lock.is_some_and(|lock| lock.held().len() > world.nodes / 2 + 1)
        }),
        Property::sometimes(HEALED, |_, state: &State| {
            let healed = |call: &Call| {
                matches!((call.op, call.stage), (Op::Heal(_), Stage::Reply(Answer::Granted)))
            };
            state.valid(0).is_some() && state.calls.iter().any(healed)
        }),
    ]
}

/// Whether what a client trusts is what a quorum of nodes keeps.
fn is_covered(world: &World, state: &State, client: usize) -> bool {
    let Some(lock) = state.valid(client) else {
        return true;
    };
    let until = units(lock.until()) + world.grace;
    let token = crate::state::token(client, state.clients[client].attempts);
    let keeps = state.nodes.iter().flatten();
    let keeps = keeps.filter(|key| key.token == world.written(token) && key.until >= until);
    keeps.count() > world.nodes / 2
}

/// Whether something happened after which keys may stay behind until they expire: a client that is
/// gone cannot clean up, and a request that is repeated after its release is found by nobody.
fn is_excused(world: &World, left: Budget) -> bool {
    world.excuses
        && (left.crashes < world.budget.crashes || left.duplicates < world.budget.duplicates)
}

fn units(moment: Moment) -> u8 {
    (moment.since_origin().as_nanos() / UNIT.as_nanos()) as u8
}
