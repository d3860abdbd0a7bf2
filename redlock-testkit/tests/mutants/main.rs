//! Deliberate bugs in the rules and in the driver, each of which the simulation must notice. A
//! simulation that was never seen to fail proves nothing.
//!
//! A process of its own, because a bug is on for the whole process.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "the simulation has more than is needed to see it fail"
)]

#[path = "../simulation/actor.rs"]
mod actor;
#[path = "../simulation/chaos.rs"]
mod chaos;
#[path = "../simulation/plan.rs"]
mod plan;
#[path = "../simulation/run.rs"]
mod run;
#[path = "../simulation/tokens.rs"]
mod tokens;
#[path = "../simulation/watch.rs"]
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

use plan::Plan;
use redlock_core::proto::Mutant;
use run::run;

/// The first seed that shows something wrong, and what.
fn first_caught(seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, Plan::legal, false)));
        let violation = match outcome {
            Ok(outcome) => outcome.violation?,
            Err(_) => "a panic".to_owned(),
        };
        Some((seed, violation))
    })
}

#[test]
fn the_simulation_notices_each_mutant() {
    assert_eq!(first_caught(1_000), None, "without a mutant nothing is wrong");
    println!("\nmutant | after seeds | what was noticed\n---|--:|---");
    let mut missed = Vec::new();
    let by_others = |mutant| Mutant::NODE.contains(mutant) || BY_MODEL_ONLY.contains(mutant);
    for &mutant in Mutant::ALL.iter().filter(|mutant| !by_others(mutant)) {
        Mutant::switch_on(Some(mutant));
        let caught = first_caught(SEEDS);
        Mutant::switch_on(None);
        match caught {
            Some((seed, what)) => {
                let what = what.split(": MemoryNode").next().unwrap_or_default();
                println!("{mutant:?} | {} | {what}", seed + 1);
            }
            None => missed.push(mutant),
        }
    }
    assert_eq!(missed, [], "not noticed in {SEEDS} seeds");
}

/// How many seeds a mutant may survive.
const SEEDS: u64 = 20_000;

/// What takes too rare a coincidence, or a broken assumption, for a random run to show. The model
/// checker does, by looking everywhere (`redlock-core/tests/model`).
const BY_MODEL_ONLY: [Mutant; 3] =
    [Mutant::LateGrant, Mutant::LateExtension, Mutant::DefiniteNoIgnored];
