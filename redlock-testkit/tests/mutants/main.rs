//! Deliberate bugs in the rules and in the driver, each of which the simulation must notice. A
//! simulation that was never seen to fail proves nothing.
//!
//! A process of its own, because a bug is on for the whole process.

#![allow(dead_code, reason = "the simulation has more than is needed to see it fail")]

#[path = "../simulation/actor.rs"]
mod actor;
#[path = "../simulation/chaos.rs"]
mod chaos;
#[path = "../simulation/claim.rs"]
mod claim;
#[path = "../simulation/expect.rs"]
mod expect;
#[path = "../simulation/fencing/mod.rs"]
mod fencing;
#[path = "../simulation/holder.rs"]
mod holder;
#[path = "../simulation/holding/mod.rs"]
mod holding;
#[path = "../simulation/plan.rs"]
mod plan;
#[path = "../simulation/run.rs"]
mod run;
#[path = "../simulation/tokens.rs"]
mod tokens;
#[path = "../simulation/waiting/mod.rs"]
mod waiting;
#[path = "../simulation/watch.rs"]
mod watch;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use holding::PROMISES;
use plan::{Broken, Plan};
use redlock_core::proto::Mutant;
use redlock_testkit::SimRandom;
use run::{Outcome, run};

/// The first seed that shows something of this kind wrong, and what.
fn first_caught(seeds: u64, run: impl Fn(u64) -> Outcome, kind: &str) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
        let violation = match outcome {
            Ok(outcome) => outcome.violation?,
            Err(_) => "a panic".to_owned(),
        };
        violation.contains(kind).then_some((seed, violation))
    })
}

/// The first seed with which one of the promises of holding a lock is not kept, and which.
fn first_broken(seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        PROMISES.iter().find_map(|(name, promise)| {
            Some((seed, format!("{name}: {}", broken(*promise, seed)?)))
        })
    })
}

/// The first seed with which fences do not do what they are for, and what.
fn first_unfenced(seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let outcome = fencing::run(seed, fencing::Counters::Kept, false);
        let refused = (outcome.regressions > 0).then(|| "a fence was refused".to_owned());
        Some((seed, outcome.violation.or(refused)?))
    })
}

/// What is wrong with this promise, if anything is.
fn broken(promise: fn(u64) -> Result<(), String>, seed: u64) -> Option<String> {
    let kept = catch_unwind(AssertUnwindSafe(|| promise(seed)));
    kept.unwrap_or_else(|_| Err("a panic".to_owned())).err()
}

/// Where to look for a mutant, and for what.
enum Habitat {
    Plan(fn(&SimRandom) -> Plan, &'static str),
    Promises,
    /// Where many wait.
    Waiting(&'static str),
    /// Where nothing but fences can be relied on.
    Fencing,
}

impl Habitat {
    fn first_caught(&self, seeds: u64) -> Option<(u64, String)> {
        match *self {
            Self::Plan(plan, kind) => first_caught(seeds, |seed| run(seed, plan, false), kind),
            Self::Promises => first_broken(seeds),
            Self::Fencing => first_unfenced(seeds),
            Self::Waiting(kind) => first_caught(seeds, |seed| waiting::run(seed, false), kind),
        }
    }
}

fn habitat(mutant: Mutant) -> Habitat {
    match mutant {
        // While nodes do what they promise no vote of a valid lock is ever gone.
        Mutant::DefiniteNoIgnored => Habitat::Plan(forgetful, "has lost its lock and is not told"),
        Mutant::SignalWithheld => Habitat::Plan(forgetful, "is not told in time"),
        Mutant::LeastHoldIgnored => Habitat::Plan(Plan::legal, "before the shortest hold was over"),
        Mutant::LossToldEarly => Habitat::Plan(Plan::told, "too soon"),
        Mutant::HandoverToldAsLoss => {
            Habitat::Plan(Plan::told, "told of the loss of what it handed on")
        }
        Mutant::AbsentCounted
        | Mutant::HealingForgotten
        | Mutant::RenewedOnce
        | Mutant::RenewalIntrudes
        | Mutant::TimersTrusted => Habitat::Promises,
        Mutant::NoTimer => Habitat::Waiting("does not ask"),
        Mutant::MissedIgnored | Mutant::ListensTooLate | Mutant::LateWordForgotten => {
            Habitat::Waiting("nobody asks for")
        }
        Mutant::CleanUpTells => Habitat::Waiting("tells of an attempt that has failed"),
        Mutant::HandoverForgotten | Mutant::TurnKept => Habitat::Waiting("nobody asks for"),
        Mutant::OwedForEver => Habitat::Waiting("tells of more than was not taken"),
        Mutant::LargestIsFence | Mutant::RaiseIfMine => Habitat::Fencing,
        _ => Habitat::Plan(Plan::legal, ""),
    }
}

fn forgetful(random: &SimRandom) -> Plan {
    Plan::broken(random, Broken::Amnesia).without_trust_in_nodes()
}

/// Writes a line that is to be seen also when the test passes, whose output is kept back.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Who cannot read it does not miss it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn the_simulation_notices_each_mutant() {
    let _alone = alone();
    for (seeds, habitat) in [
        (1_000, Habitat::Plan(Plan::legal, "")),
        (100, Habitat::Promises),
        (1_000, Habitat::Waiting("")),
        (1_000, Habitat::Fencing),
    ] {
        assert_eq!(habitat.first_caught(seeds), None, "without a mutant nothing is wrong");
    }
    say(format_args!("\nmutant | after seeds | what was noticed\n---|--:|---"));
    let mut missed = Vec::new();
    for &mutant in Mutant::ALL.iter().filter(|mutant| !Mutant::NODE.contains(mutant)) {
        let habitat = habitat(mutant);
        if let Habitat::Plan(_, kind) = habitat {
            assert!(kind.is_empty() || habitat.first_caught(1_000).is_none(), "{kind}");
        }
        Mutant::switch_on(Some(mutant));
        let caught = habitat.first_caught(SEEDS);
        Mutant::switch_on(None);
        match caught {
            Some((seed, what)) => {
                let what = what.split(": MemoryNode").next().unwrap_or_default();
                say(format_args!("{mutant:?} | {} | {what}", seed + 1));
            }
            None => missed.push(mutant),
        }
    }
    assert_eq!(missed, [], "not noticed in {SEEDS} seeds");
}

/// Each promise of holding is broken by a mutant that lives where it is made.
#[test]
fn each_promise_can_be_broken() {
    let _alone = alone();
    for (name, promise) in PROMISES {
        let mutant = match name {
            "survives single failures" => Mutant::RenewedOnce,
            "heals again what it hears nothing of" => Mutant::RenewedOnce,
            "leaves nothing of what was being healed" => Mutant::HealingForgotten,
            "trusts only what nodes keep" => Mutant::AbsentCounted,
            "ends what is forgotten" => Mutant::MaxHoldIgnored,
            "frees what the dead held" => Mutant::GraceTrusted,
            "holds for its least" => Mutant::LeastHoldIgnored,
            "hands on" => Mutant::HandoverToldAsLoss,
            "is renewed whatever its holder extends it by" => Mutant::RenewedOnce,
            "lets its holder extend" => Mutant::RenewalIntrudes,
            "ends while the machine sleeps" => Mutant::TimersTrusted,
            "stops with its guard" => Mutant::RenewedUnguarded,
            "tells what nodes have lost" => Mutant::SignalWithheld,
            other => panic!("nothing breaks {other}"),
        };
        Mutant::switch_on(Some(mutant));
        let broken = (0..50).find_map(|seed| broken(promise, seed));
        Mutant::switch_on(None);
        assert!(broken.is_some(), "{name} is kept by {mutant:?}");
    }
}

/// Mutants are switched on for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many seeds a mutant may survive.
const SEEDS: u64 = 5_000;
