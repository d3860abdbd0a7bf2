//! Fencing tokens, walked through every order of events that a small world allows.
//!
//! The attempts are the shipping [`redlock_core::proto::Attempt`], told to have a fence. Their fences
//! must differ and grow without any assumption of time, so this world has none: a key may be gone at
//! any moment, whoever has it and whatever he believes, and messages are as late as they like.

mod client;
mod node;
mod properties;
mod state;
mod step;
mod world;

use redlock_core::proto::Mutant;

use self::{
    properties::{GROWS, HAD, IN_TURN, KEPT, MUST, SECOND, TOGETHER, UNIQUE},
    world::{LEVEL, World},
};
use crate::{
    alone,
    report::{Until, Walk, say},
    symmetry,
};

#[test]
fn fences_differ_and_grow_in_every_world() {
    let _alone = alone();
    Walk::head("world of fences");
    for world in [
        LEVEL,
        SKEWED,
        APART,
        LEVEL.named("2 skewed counters, second attempt").counters(&[1, 0]).attempts([2, 1]),
        SKEWED.named("3 skewed counters, repeating, up to 3").repeating(3),
    ] {
        walk(&world);
    }
}

#[test]
#[ignore = "takes minutes and gigabytes"]
fn fences_differ_and_grow_in_larger_worlds() {
    let _alone = alone();
    Walk::head("larger world of fences");
    walk(&LEVEL.named("3 level counters, repeating, up to 3").repeating(3));
}

#[test]
fn each_mutant_of_fences_is_caught() {
    let _alone = alone();
    Walk::head("mutant");
    for (mutant, world, found) in MUTANTS {
        Mutant::switch_on(Some(*mutant));
        let walk = Walk::through(&world.mutated(*mutant), Until::Found(found));
        Mutant::switch_on(None);
        say(&walk.row_of(&format!("{mutant:?}"), found));
        walk.assert_found(found);
    }
    for property in MUST {
        let tripped = MUTANTS.iter().any(|(.., found)| found.contains(property));
        assert!(tripped, "no mutant trips `{property}`");
    }
}

#[test]
fn worlds_of_fences_that_hash_alike_go_on_alike() {
    let _alone = alone();
    say("\nworlds | classes | in\n---|---|---");
    for world in [
        LEVEL.named("2 skewed counters").counters(&[1, 0]),
        LEVEL.named("3 level counters, one client, second attempt").attempts([2, 0]),
        SKEWED
            .named("3 skewed counters, one client, repeating, up to 3")
            .attempts([1, 0])
            .repeating(3),
    ] {
        let (worlds, classes) = symmetry::check(&world);
        say(&format!("{worlds} | {classes} | {}", world.name));
        assert!(classes < worlds, "no two worlds hash alike in {}", world.name);
    }
}

fn walk(world: &World) {
    let walk = Walk::through(world, Until::Exhausted);
    say(&walk.row());
    walk.assert_found_exactly(&[HAD, IN_TURN, SECOND, TOGETHER]);
}

/// Deliberate bugs, the world in which each shows, and what it violates.
pub(crate) const MUTANTS: &[(Mutant, World, &[&str])] = &[
    (Mutant::LargestIsFence, APART, &[UNIQUE, GROWS]),
    (Mutant::RaiseIfMine, SKEWED.repeating(3), &[UNIQUE]),
    (Mutant::RaiseUnchecked, LEVEL, &[UNIQUE]),
    (Mutant::CounterLost, LEVEL, &[GROWS, KEPT]),
];

/// One node is ahead.
const SKEWED: World = LEVEL.named("3 skewed counters").counters(&[1, 0, 0]);

/// Each node has counted differently.
const APART: World = LEVEL.named("3 counters that all differ").counters(&[2, 1, 0]);
