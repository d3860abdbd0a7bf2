//! The shipping rules, walked through every order of events that a small world allows.
//!
//! Two clients hold the very [`redlock_core::Attempt`], [`redlock_core::Tenure`] and
//! [`redlock_core::Extension`] that the lock is made of; around them are nodes that keep their
//! contract, a network that delays, loses and repeats, and a clock. Fencing tokens have a world of
//! their own, without a clock. `docs/model-checking.md` tells what is covered and what is not.

mod action;
mod client;
mod fencing;
mod node;
mod properties;
mod report;
mod state;
mod step;
mod symmetry;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use redlock_core::proto::Mutant;

use crate::{
    properties::{
        BOUNDED, COUNTED, COVERED, ENDED, EXCLUSION, EXTENDED, HEALED, HEEDED, HELD, IN_TIME,
        IN_TURN, JOINED, LONGER, NO_ORPHAN, ONCE, QUIET, RETRIED, TOLD,
    },
    report::{Until, Walk, say},
    state::Budget,
    world::{Data, Wire, World},
};

#[test]
fn the_rules_hold_in_every_world() {
    let _alone = alone();
    Walk::head("world");
    for (world, shown) in [
        (TWO.named("2 nodes, second attempt").attempts(2), RETRIES),
        (TWO.named("2 nodes, 2 extensions").extensions(2, 5), EXTENDS),
        (
            TWO.named("2 nodes, extension, any one of each fault").extensions(1, 3).anything_once(),
            EXTENDS,
        ),
        (THREE, JOINS),
        (THREE.named("3 nodes, loss or stray").losses(1).strays(), JOINS),
        (THREE.named("3 nodes, duplicate").duplicates(1), JOINS),
        (THREE.named("3 nodes, restart, data kept").restarts(Data::Kept), JOINS),
        (THREE.named("3 nodes, client crash").crashes(1), JOINS),
        (THREE.named("3 nodes, extension, healing").extensions(1, 2).healing(), HEALS),
        (
            TWO.named("2 nodes, 2 extensions, grace, bounded")
                .extensions(2, 4)
                .grace(1)
                .max_hold(3),
            EXTENDS,
        ),
    ] {
        let walk = Walk::through(&world, Until::Exhausted);
        say(&walk.row());
        walk.assert_found_exactly(shown);
    }
}

/// What a node that forgets takes away is that a quorum keeps the key, until it is healed; nothing
/// else, and healing leaves nothing behind, however late its calls arrive.
#[test]
fn a_lock_that_is_healed_leaves_nothing() {
    let _alone = alone();
    Walk::head("world with a node that forgets");
    let healed = one_on(THREE).extensions(1, 2).restarts(Data::Lost).healing();
    for world in [
        healed.named("3 nodes, one client, extension, healing, any order").unordered(),
        healed.named("3 nodes, one client, extension, healing, loss or stray").losses(1).strays(),
        healed.named("3 nodes, one client, extension, healing, duplicate").duplicates(1),
        World { extensions: 2, end: 3, ..healed }
            .named("3 nodes, one client, 2 extensions, healing, any order")
            .unordered(),
    ] {
        let walk = Walk::through(&world, Until::Exhausted);
        say(&walk.row());
        walk.assert_found_exactly(FORGETS_AND_HEALS);
    }
}

/// Nodes that forget, and give no votes for as long as what they have forgotten may be trusted: then
/// nobody counts on a vote that was lost (Theorem 3). What they take away is, as with healing, no
/// more than that a quorum keeps the key.
#[test]
fn a_node_in_quarantine_keeps_what_it_has_forgotten() {
    let _alone = alone();
    Walk::head("world with nodes that forget");
    let once = THREE.restarts(Data::Lost);
    let twice = World { end: 3, ..TWO }.restarts_twice(Data::Lost);
    let extended = TWO.extensions(1, 4).restarts_twice(Data::Lost);
    for (world, found) in [
        (once.named("3 nodes, restart, quarantine").quarantine(1), FORGETS),
        (twice.named("2 nodes, 2 restarts, quarantine").quarantine(1), &[HELD, IN_TURN, COVERED]),
        (twice.named("2 nodes, 2 restarts, no quarantine"), &[HELD, IN_TURN, COVERED, EXCLUSION]),
        (
            extended.named("2 nodes, extension, 2 restarts, quarantine").quarantine(2),
            &[HELD, IN_TURN, EXTENDED, COVERED],
        ),
        (
            extended.named("2 nodes, extension, 2 restarts, short quarantine").quarantine(1),
            &[HELD, IN_TURN, EXTENDED, COVERED, EXCLUSION],
        ),
        (
            one_on(THREE)
                .extensions(2, 4)
                .named("3 nodes, one client, 2 extensions, healing, restart, quarantine")
                .restarts(Data::Lost)
                .healing()
                .quarantine(2),
            FORGETS_AND_HEALS,
        ),
    ] {
        let walk = Walk::through(&world, Until::Exhausted);
        say(&walk.row());
        walk.assert_found_exactly(found);
    }
}

#[test]
#[ignore = "takes minutes and gigabytes"]
fn the_rules_hold_in_larger_worlds() {
    let _alone = alone();
    Walk::head("larger world");
    for (world, shown) in [
        (THREE.named("3 nodes, extension, longer").extensions(1, 3), JOINS_AND_EXTENDS),
        (
            THREE.named("3 nodes, extension, loss or stray").extensions(1, 2).losses(1).strays(),
            JOINS_AND_EXTENDS,
        ),
        (THREE.named("3 nodes, any one of each fault").anything_once(), JOINS),
        (THREE.named("3 nodes, 2 losses or strays").losses(2).strays(), JOINS),
        (World { attempts: [2, 2], ..TWO }.named("2 nodes, second attempts"), RETRIES),
        (TWO.named("2 nodes, 3 extensions").extensions(3, 6), EXTENDS),
        (
            THREE.named("3 nodes, 2 restarts, quarantine").restarts_twice(Data::Lost).quarantine(1),
            FORGETS,
        ),
    ] {
        let walk = Walk::through(&world, Until::Exhausted);
        say(&walk.row());
        walk.assert_found_exactly(shown);
    }
}

/// What the proofs assume is not decoration: without it, they fail.
#[test]
fn a_broken_assumption_is_noticed() {
    let _alone = alone();
    Walk::head("world with a broken assumption");
    for (world, found) in [
        (
            THREE.named("3 nodes, restart, data lost").restarts(Data::Lost),
            &[EXCLUSION, COVERED][..],
        ),
        (
            one_on(TWO)
                .named("2 nodes, one client, extension, restart, data lost")
                .extensions(1, 3)
                .restarts(Data::Lost),
            &[COVERED],
        ),
        (
            TWO.named("2 nodes, stray that a release overtakes").losses(1).strays().unordered(),
            &[NO_ORPHAN],
        ),
        (
            TWO.named("2 nodes, duplicate that a release overtakes").duplicates(1).inexcusable(),
            &[NO_ORPHAN],
        ),
    ] {
        let walk = Walk::through(&world, Until::Exhausted);
        say(&walk.row());
        walk.assert_found_exactly(found);
    }
}

#[test]
fn each_mutant_is_caught() {
    let _alone = alone();
    Walk::head("mutant");
    let extended = TWO.extensions(1, 3);
    let shorter = World { extension: 1, ..extended };
    let amnesia = one_on(TWO).extensions(1, 2).restarts(Data::Lost);
    let healed = one_on(THREE).extensions(1, 2).restarts(Data::Lost).healing();
    let again_at = |end| World { end, ..TWO }.attempts(2);
    let mutants: &[(Mutant, World, &'static [&'static str])] = &[
        (Mutant::ValidityFromFirstReply, TWO, &[EXCLUSION, COVERED]),
        (Mutant::LateGrant, TWO, &[IN_TIME]),
        (Mutant::DriftIgnored, TWO, &[EXCLUSION, COVERED]),
        (Mutant::HalfIsQuorum, TWO, &[EXCLUSION, COVERED]),
        (Mutant::OnlyGrantedReleased, TWO, &[NO_ORPHAN]),
        (Mutant::UndoneOnce, TWO.losses(1), &[NO_ORPHAN]),
        (Mutant::FailedExtensionReleases, extended, &[ENDED]),
        (Mutant::LateExtension, extended, &[ONCE]),
        (Mutant::ExtensionShortens, shorter, &[LONGER]),
        (Mutant::DefiniteNoIgnored, amnesia, &[HEEDED]),
        (Mutant::ValidWhileReleasing, TWO, &[ENDED]),
        (Mutant::StragglerKept, one_on(THREE), &[NO_ORPHAN]),
        (Mutant::LateYesRevives, one_on(THREE), &[ENDED]),
        (Mutant::GraceTrusted, extended.grace(1), &[COVERED]),
        (Mutant::MaxHoldIgnored, extended.max_hold(2), &[BOUNDED]),
        (Mutant::AbsentCounted, healed, &[COUNTED]),
        (Mutant::HealingForgotten, healed.unordered(), &[NO_ORPHAN]),
        (Mutant::LossUntold, TWO, &[TOLD]),
        (Mutant::ExtendedAfterEnd, extended, &[QUIET]),
        (Mutant::TokenReused, again_at(0), &[EXCLUSION, COVERED]),
        (Mutant::UnconditionalDelete, again_at(1), &[EXCLUSION, COVERED]),
        (Mutant::KeyShortened, shorter, &[EXCLUSION, COVERED]),
    ];
    for (mutant, world, found) in mutants {
        let world = world.mutated(*mutant);
        Mutant::switch_on(Some(*mutant));
        let walk = Walk::through(&world, Until::Found(found));
        Mutant::switch_on(None);
        say(&walk.row_of(&format!("{mutant:?}"), found));
        walk.assert_found(found);
    }
    for mutant in Mutant::ALL {
        let listed = mutants.iter().any(|(listed, ..)| listed == mutant);
        let listed = listed || fencing::MUTANTS.iter().any(|(listed, ..)| listed == mutant);
        assert!(listed || Mutant::DRIVER.contains(mutant), "{mutant:?} is not tried");
    }
    for property in properties::MUST {
        let tripped = mutants.iter().any(|(.., found)| found.contains(property));
        assert!(tripped, "no mutant trips `{property}`");
    }
}

#[test]
fn worlds_that_hash_alike_go_on_alike() {
    let _alone = alone();
    say("\nworlds | classes | in\n---|---|---");
    for world in [
        TWO.named("2 nodes, duplicate").duplicates(1),
        TWO.named("2 nodes, loss or stray").losses(1).strays(),
        one_on(TWO)
            .named("2 nodes, one client, extension, any one of each fault")
            .extensions(1, 3)
            .anything_once(),
        one_on(THREE)
            .named("3 nodes, one client, extension, loss or stray")
            .extensions(1, 2)
            .losses(1)
            .strays(),
        one_on(THREE)
            .named("3 nodes, one client, extension, healing, a node that forgets")
            .extensions(1, 2)
            .restarts(Data::Lost)
            .healing(),
        one_on(TWO)
            .named("2 nodes, one client, extension, 2 restarts, quarantine")
            .extensions(1, 4)
            .restarts_twice(Data::Lost)
            .quarantine(2),
    ] {
        let (worlds, classes) = symmetry::check(&world);
        say(&format!("{worlds} | {classes} | {}", world.name));
        assert!(classes < worlds, "no two worlds hash alike in {}", world.name);
    }
}

/// Mutants are switched on for the whole process, and times mean something only alone.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Only the first client is there.
fn one_on(world: World) -> World {
    World { attempts: [1, 0], ..world }
}

/// Two nodes: each client needs both.
const TWO: World = World {
    name: "2 nodes",
    nodes: 2,
    validity: 1,
    extension: 1,
    grace: 0,
    max_hold: 0,
    healing: false,
    end: 2,
    attempts: [1, 1],
    extensions: 0,
    budget: Budget::NOTHING,
    strays: false,
    wire: Wire::Ordered,
    data: Data::Kept,
    quarantine: 0,
    excuses: true,
    mutant: None,
};

/// Three nodes: two are enough, and the third may answer when everything is over.
const THREE: World = World { name: "3 nodes", nodes: 3, ..TWO };

/// What a world must make possible.
const JOINS: &[&str] = &[HELD, IN_TURN, JOINED];
const JOINS_AND_EXTENDS: &[&str] = &[HELD, IN_TURN, JOINED, EXTENDED];
const HEALS: &[&str] = &[HELD, IN_TURN, JOINED, EXTENDED, HEALED];
const FORGETS_AND_HEALS: &[&str] = &[HELD, JOINED, EXTENDED, HEALED, COVERED];
const FORGETS: &[&str] = &[HELD, IN_TURN, JOINED, COVERED];
const RETRIES: &[&str] = &[HELD, IN_TURN, RETRIED];
const EXTENDS: &[&str] = &[HELD, IN_TURN, EXTENDED];
