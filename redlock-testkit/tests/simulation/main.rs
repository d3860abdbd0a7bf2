//! The shipping driver in a simulated world: virtual time, nodes in memory behind a network that
//! loses and reorders, clients that freeze and lose interest, clocks that differ.
//!
//! Every run follows from its seed. `SIM_SEEDS=n` sets how many are run, `SEED=n` replays one and
//! prints its log.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

mod actor;
mod cancellation;
mod chaos;
mod claim;
mod expect;
mod fenced;
mod fencing;
mod holder;
mod holding;
mod latency;
mod plan;
mod run;
mod sets;
mod tokens;
mod waiting;
mod watch;

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use claim::Told;
use holding::PROMISES;
use plan::{Broken, Plan};
use redlock_testkit::SimRandom;
use run::{Outcome, run};

/// The name of a test, and what its seeds stand for.
type Sweep = (&'static str, fn(u64, bool) -> Outcome);

fn legal(seed: u64, verbose: bool) -> Outcome {
    run(seed, Plan::legal, verbose)
}

/// Runs one seed. If it goes wrong, says how to see it again.
fn run_or_explain(seed: u64, (name, run): Sweep) -> Result<Outcome, String> {
    let explain = |what: &str| {
        format!(
            "{what}\nreplay: SEED={seed} cargo test -p redlock-testkit --test simulation {name} -- --nocapture"
        )
    };
    match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
        Ok(Outcome { violation: Some(violation), .. }) => {
            Err(explain(&format!("seed {seed}: {violation}")))
        }
        Ok(outcome) => Ok(outcome),
        Err(_) => Err(explain(&format!("seed {seed}: a panic, see above"))),
    }
}

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text} is no number: {error}")))
}

/// Writes a line that is to be seen also when the test passes, whose output is kept back.
fn say(line: fmt::Arguments<'_>) {
    use std::io::Write;
    // Who cannot read it does not miss it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn seeds_keep_every_promise() {
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(100_000);
    let Some(all) = run_all(seeds, ("seeds", legal)) else { return };
    say(format_args!("{all}"));
    if seeds >= 1000 {
        for what in MUST_BE_SEEN {
            assert!(all.seen.contains_key(what), "no seed ever saw {what:?}");
        }
    }
}

/// The promise of issue and documentation: with any mix of failures of nodes and pauses of
/// processes, `lost()` completes at or before the end of validity, and `run` does not poll its body
/// after it. Who was paused at that moment is told as soon as he goes on.
#[test]
fn every_loss_is_told_by_the_end_of_validity_and_no_body_is_polled_after_it() {
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(10_000).min(10_000);
    let Some(all) = run_all(seeds, ("every_loss", |seed, verbose| run(seed, Plan::told, verbose)))
    else {
        return;
    };
    let Told { losses, margin, bodies } = all.told;
    say(format_args!(
        "{seeds} seeds, {losses} losses told, {margin:?} before the end at the latest, {bodies} polls of bodies"
    ));
    assert!(losses >= seeds / 2 && bodies >= seeds, "too few to mean anything");
}

/// Nobody waits past the end of the holder's time or his own patience by more than a round trip,
/// whatever becomes of the word of releases (requirements R48 to R53).
#[test]
fn whoever_waits_gets_it_in_time_and_in_his_turn() {
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(10_000).min(10_000);
    let Some(all) = run_all(seeds, ("whoever_waits", waiting::run)) else { return };
    say(format_args!("{all}"));
    if seeds >= 1000 {
        for what in WAITERS_MUST_SEE {
            assert!(all.seen.contains_key(what), "no seed ever saw {what:?}");
        }
    }
}

/// No resource is had by two, whoever asks for it alone or in which set; and no two who wait for
/// sets that overlap keep each other waiting for ever.
#[test]
fn overlapping_sets_exclude_each_other_and_everybody_gets_his() {
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(2_000).min(10_000);
    let Some(all) = run_all(seeds, ("overlapping_sets", sets::run)) else { return };
    say(format_args!("{all}"));
    if seeds >= 1000 {
        for what in sets::MUST_BE_SEEN {
            assert!(all.seen.contains_key(what), "no seed ever saw {what:?}");
        }
    }
}

#[test]
fn nodes_that_forget_are_seen_to_give_a_resource_of_a_set_to_two() {
    let is_seen = (0..500).any(|seed| {
        let violation = sets::run_with(seed, sets::Memory::Lost, false).violation;
        violation.is_some_and(|found| found.contains(TWO_HOLDERS))
    });
    assert!(is_seen);
}

/// Many runs, and what was seen in them.
struct All {
    seeds: u64,
    steps: u64,
    took: Duration,
    seen: BTreeMap<&'static str, u64>,
    told: Told,
}

/// Panics with how to see it again if any of the seeds goes wrong. `None` if it was asked for one
/// only, whose log it has printed.
fn run_all(seeds: u64, sweep: Sweep) -> Option<All> {
    if let Some(seed) = number_from_environment("SEED") {
        let outcome = sweep.1(seed, true);
        for line in &outcome.log {
            say(format_args!("{line}"));
        }
        assert_eq!(outcome.violation, None);
        return None;
    }
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failures = Mutex::new(Vec::new());
    let sum = Mutex::new((0, BTreeMap::new(), Told::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    match run_or_explain(seed, sweep) {
                        Ok(outcome) => {
                            let mut sum = sum.lock().unwrap();
                            sum.0 += outcome.steps;
                            for (what, count) in outcome.seen {
                                *sum.1.entry(what).or_default() += count;
                            }
                            sum.2 = sum.2.and(outcome.told);
                        }
                        Err(failure) => {
                            let mut failures = failures.lock().unwrap();
                            failures.push(failure);
                            stop.store(failures.len() >= FAILURES_SHOWN, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let (steps, seen, told) = sum.into_inner().unwrap();
    Some(All { seeds, steps, took: start.elapsed(), seen, told })
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, steps, took, seen, .. } = self;
        let rate = *seeds as f64 / took.as_secs_f64();
        write!(f, "{seeds} seeds, {steps} steps in {took:.1?}: {rate:.0} seeds/s\n{seen:#?}")
    }
}

/// What is promised of holding a lock, each with seeds of its own.
#[test]
fn holding_keeps_each_of_its_promises() {
    for (name, promise) in PROMISES {
        for seed in 0..PROMISE_SEEDS {
            if let Err(what) = promise(seed) {
                panic!("{name}, seed {seed}: {what}");
            }
        }
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for run in [legal, waiting::run, sets::run] {
        for seed in 0..100 {
            let (first, again) = (run(seed, false), run(seed, true));
            assert_eq!(first.hash, again.hash, "seed {seed}");
            assert_eq!(first.steps, again.steps, "seed {seed}");
        }
    }
}

/// Also in another process, where addresses and the keys of hash maps are others.
#[test]
fn a_seed_replays_bit_for_bit_in_another_process() {
    let hashes: Vec<String> = (0..50)
        .flat_map(|seed| [legal(seed, false), waiting::run(seed, false)])
        .map(|outcome| outcome.hash.to_string())
        .collect();
    let hashes = hashes.join(" ");
    if std::env::var_os(PRINT_HASHES).is_some() {
        println!("hashes: {hashes}");
        return;
    }
    let name = "a_seed_replays_bit_for_bit_in_another_process";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PRINT_HASHES, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    assert!(output.contains(&format!("hashes: {hashes}\n")), "{output}");
}

/// Whether any of a few hundred seeds shows the violation.
fn is_seen(plan: fn(&SimRandom) -> Plan, violation: &str) -> bool {
    (0..500)
        .any(|seed| run(seed, plan, false).violation.is_some_and(|found| found.contains(violation)))
}

/// With what it relies on broken, the lock fails, and the checks see it: a check that has never been
/// seen to fail proves nothing.
#[test]
fn a_clock_that_steps_beyond_the_allowance_is_seen_to_make_two_holders() {
    let plan = |random: &_| Plan::broken(random, Broken::ClockStep).without_trust_in_nodes();
    assert!(is_seen(plan, TWO_HOLDERS));
    assert!(is_seen(plan, "runs its body while"));
}

#[test]
fn nodes_that_forget_are_seen_to_make_two_holders() {
    let plan = |random: &_| Plan::broken(random, Broken::Amnesia).without_trust_in_nodes();
    assert!(is_seen(plan, TWO_HOLDERS));
}

#[test]
fn clocks_that_drift_beyond_the_allowance_are_seen_to_make_two_holders() {
    let plan = |random: &_| Plan::broken(random, Broken::Drift).without_trust_in_nodes();
    assert!(is_seen(plan, TWO_HOLDERS));
}

#[test]
fn clocks_that_drift_beyond_the_allowance_are_seen_before_they_do_harm() {
    assert!(is_seen(|random| Plan::broken(random, Broken::Drift), "for longer than a quorum"));
}

#[test]
fn nodes_that_do_not_release_are_seen_to_keep_orphans() {
    assert!(is_seen(|random| Plan::broken(random, Broken::Deafness), "an orphan"));
}

const PRINT_HASHES: &str = "SIM_PRINT_HASHES";
const TWO_HOLDERS: &str = "at the same time";
const THREADS: usize = 2;
const PROMISE_SEEDS: u64 = 200;
const FAILURES_SHOWN: usize = 5;

/// A simulation in which one of these never happens tests less than it claims.
const MUST_BE_SEEN: [&str; 29] = [
    "acquired",
    "acquire cancelled",
    "adopted",
    "contended",
    "dropped",
    "extended",
    "extend cancelled",
    "kept",
    "lease released",
    "lost: expired",
    "lost: held too long",
    "not extended",
    "one more node",
    "panicked",
    "released",
    "release cancelled",
    "released too late",
    "renewed",
    "run",
    "run cancelled",
    "run for longer than a ttl",
    "run panicked",
    "timed out",
    "told: expired",
    "told: expired while renewing",
    "told: held too long",
    "told: nothing",
    "told late after a pause",
    "unavailable",
];

/// The same, of those who wait.
const WAITERS_MUST_SEE: [&str; 11] = [
    "acquired",
    "cancelled",
    "cancelled when woken",
    "contended",
    "dropped",
    "forgotten",
    "frozen",
    "overstayed",
    "released",
    "timed out",
    "unavailable",
];
