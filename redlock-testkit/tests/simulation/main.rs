//! The shipping driver in a simulated world: virtual time, nodes in memory behind a network that
//! loses and reorders, clients that freeze and lose interest, clocks that differ.
//!
//! Every run follows from its seed. `SIM_SEEDS=n` sets how many are run, `SEED=n` replays one and
//! prints its log.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

mod actor;
mod cancellation;
mod chaos;
mod expect;
mod latency;
mod plan;
mod run;
mod tokens;
mod watch;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use plan::{Broken, Plan};
use redlock_testkit::SimRandom;
use run::{Outcome, run};

/// Runs one seed. If it goes wrong, says how to see it again.
fn run_or_explain(seed: u64, plan: fn(&SimRandom) -> Plan) -> Result<Outcome, String> {
    let explain = |what: &str| {
        format!(
            "{what}\nreplay: SEED={seed} cargo test -p redlock-testkit --test simulation seeds -- --nocapture"
        )
    };
    match catch_unwind(AssertUnwindSafe(|| run(seed, plan, false))) {
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
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Who cannot read it does not miss it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn seeds_keep_every_promise() {
    if let Some(seed) = number_from_environment("SEED") {
        let outcome = run(seed, Plan::legal, true);
        for line in &outcome.log {
            say(format_args!("{line}"));
        }
        assert_eq!(outcome.violation, None);
        return;
    }
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(100_000);
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failures = Mutex::new(Vec::new());
    let seen = Mutex::new(BTreeMap::<&str, u64>::new());
    let steps = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    match run_or_explain(seed, Plan::legal) {
                        Ok(outcome) => {
                            steps.fetch_add(outcome.steps, Ordering::Relaxed);
                            let mut seen = seen.lock().unwrap();
                            for (what, count) in outcome.seen {
                                *seen.entry(what).or_default() += count;
                            }
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
    let took = start.elapsed();
    let (seen, steps) = (seen.into_inner().unwrap(), steps.into_inner());
    let rate = seeds as f64 / took.as_secs_f64();
    say(format_args!("{seeds} seeds, {steps} steps in {took:.1?}: {rate:.0} seeds/s\n{seen:#?}"));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if seeds >= 1000 {
        for what in MUST_BE_SEEN {
            assert!(seen.contains_key(what), "no seed ever saw {what:?}");
        }
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in 0..100 {
        let (first, again) = (run(seed, Plan::legal, false), run(seed, Plan::legal, true));
        assert_eq!(first.hash, again.hash, "seed {seed}");
        assert_eq!(first.steps, again.steps, "seed {seed}");
    }
}

/// Also in another process, where addresses and the keys of hash maps are others.
#[test]
fn a_seed_replays_bit_for_bit_in_another_process() {
    let hashes: Vec<String> =
        (0..50).map(|seed| run(seed, Plan::legal, false).hash.to_string()).collect();
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
const FAILURES_SHOWN: usize = 5;

/// A simulation in which one of these never happens tests less than it claims.
const MUST_BE_SEEN: [&str; 18] = [
    "acquired",
    "acquire cancelled",
    "adopted",
    "contended",
    "dropped",
    "extended",
    "extend cancelled",
    "lease released",
    "lost: expired",
    "lost: quorum",
    "not extended",
    "released",
    "release cancelled",
    "released too late",
    "run",
    "run cancelled",
    "timed out",
    "unavailable",
];
